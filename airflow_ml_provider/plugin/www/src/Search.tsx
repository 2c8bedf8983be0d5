import { Input } from "@chakra-ui/react";
import { useEffect, useState } from "react";

const WAIT_MILLISECONDS = 300;

interface SearchProps {
  readonly choose: (text: string) => void;
  readonly chosen: string;
}

/** A field for a part of a name, taken when nothing was typed for a moment. */
export function Search({ choose, chosen }: SearchProps) {
  const [text, setText] = useState(chosen);
  const [before, setBefore] = useState(chosen);
  if (chosen !== before) {
    // The address changed, and not by what is typed here.
    setBefore(chosen);
    setText(chosen);
  }

  useEffect(() => {
    if (text === chosen) return;
    const timer = setTimeout(() => {
      setBefore(text);
      choose(text);
    }, WAIT_MILLISECONDS);
    return () => {
      clearTimeout(timer);
    };
  }, [text, chosen, choose]);

  return (
    <Input
      aria-label="Search pipelines"
      onChange={(event) => {
        setText(event.target.value);
      }}
      placeholder="Search pipelines"
      size="sm"
      type="search"
      value={text}
      width="220px"
    />
  );
}
