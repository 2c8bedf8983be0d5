import { Button, HStack, Text } from "@chakra-ui/react";

interface PagesProps {
  /** What is on a page before this one, and on one after it, such as "Newer" and "Older". */
  readonly names: readonly [before: string, after: string];
  readonly offset: number;
  readonly size: number;
  readonly total: number;
  readonly turn: (offset: number) => void;
}

/** Which part of a list is shown, with buttons for the parts beside it; nothing where all of it is. */
export function Pages({ names: [before, after], offset, size, total, turn }: PagesProps) {
  if (total <= size) return null;
  return (
    <HStack as="nav" aria-label="Pages" justify="center" marginTop={2}>
      <Button
        disabled={offset === 0}
        onClick={() => {
          turn(Math.max(0, offset - size));
        }}
        size="sm"
        variant="outline"
      >
        {before}
      </Button>
      <Text fontSize="sm" role="status">
        {offset + 1} to {Math.min(offset + size, total)} of {total}
      </Text>
      <Button
        disabled={offset + size >= total}
        onClick={() => {
          turn(offset + size);
        }}
        size="sm"
        variant="outline"
      >
        {after}
      </Button>
    </HStack>
  );
}
