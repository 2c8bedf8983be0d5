import { Box, Button, Heading, HStack, Link as ChakraLink, Table, Text } from "@chakra-ui/react";
import { Link } from "react-router-dom";

import { runPageLink } from "../links";
import { number } from "../number";
import { verdict } from "../verdict";
import type { components } from "../answers";

type Pipeline = components["schemas"]["PipelinePageAnswer"];
type Run = Pipeline["runs"][number];
type Result = Run["stages"][string];

interface ComparisonProps {
  readonly forget: () => void;
  readonly pipeline: Pipeline;
}

/** What differs between runs; nothing before two are chosen. */
export function Comparison({ forget, pipeline }: ComparisonProps) {
  const runs = pipeline.compared;
  if (runs.length < 2) return null;
  const rows = differences(pipeline, runs);
  return (
    <Box as="section" aria-label="What differs" overflowX="auto">
      <HStack marginBottom={2}>
        <Heading as="h2" size="sm">
          What differs between {runs.length} runs
        </Heading>
        <Button onClick={forget} size="xs" variant="outline">
          Close
        </Button>
      </HStack>
      {rows.length === 0 ? (
        <Text role="status">
          {pipeline.reads_xcoms
            ? "Nothing: the same states, metrics and artifacts."
            : "The same states; to compare metrics and artifacts you need the right to read XComs."}
        </Text>
      ) : (
        <Table.Root size="sm">
          <Table.Header>
            <Table.Row>
              <Table.ColumnHeader>Stage</Table.ColumnHeader>
              <Table.ColumnHeader>What</Table.ColumnHeader>
              {runs.map(({ run_id }) => (
                <Table.ColumnHeader key={run_id}>
                  <ChakraLink asChild color="fg.info">
                    <Link to={runPageLink(pipeline.dag_id, run_id)}>{run_id}</Link>
                  </ChakraLink>
                </Table.ColumnHeader>
              ))}
            </Table.Row>
          </Table.Header>
          <Table.Body>
            {rows.map(({ key, name, stage, values }) => (
              <Table.Row key={`${stage} ${key}`}>
                <Table.Cell>{stage}</Table.Cell>
                <Table.Cell as="th" fontWeight="normal" scope="row" textAlign="start">
                  {name}
                </Table.Cell>
                {values.map((value, place) => (
                  <Table.Cell key={runs[place]?.run_id} overflowWrap="anywhere">
                    {value || "–"}
                  </Table.Cell>
                ))}
              </Table.Row>
            ))}
          </Table.Body>
        </Table.Root>
      )}
    </Box>
  );
}

export interface Difference {
  readonly key: string;
  readonly name: string;
  readonly stage: string;
  readonly values: readonly string[];
}

/** Return what is not the same in all runs, stage by stage. */
export function differences(pipeline: Pipeline, runs: readonly Run[]): Difference[] {
  const found: Difference[] = [];
  for (const { task_id: stage } of pipeline.stages) {
    const told = runs.map(({ stages }) => facts(stages[stage]));
    for (const key of new Set(told.flatMap((each) => [...each.keys()]))) {
      const values = told.map((each) => each.get(key) ?? "");
      const name = key.slice(key.indexOf(" ") + 1);
      if (new Set(values).size > 1) found.push({ key, name, stage, values: shown(values) });
    }
  }
  return found;
}

/** Return values as people read them, with all digits where fewer would look the same. */
function shown(values: readonly (number | string)[]): string[] {
  const short = values.map(number);
  return new Set(short).size === new Set(values).size ? short : values.map(String);
}

/** Return what a stage left in a run, by a word for the kind of fact and its name. */
function facts(result: Result | undefined): Map<string, number | string> {
  if (!result) return new Map();
  const { metrics, outputs, reuse, said, state, verdicts } = result;
  return new Map<string, number | string>([
    ["state state", state],
    ...(reuse ? [["reuse reuse", `${reuse.reused ? "reused" : "ran"}: ${reuse.reason}`] as const] : []),
    ...Object.entries(metrics).map(([name, value]) => [`metric ${name}`, value] as const),
    ...verdicts.map((found) => [`verdict ${found.name}`, verdict(found)] as const),
    ...outputs.map(({ digest, name }) => [`output artifact ${name}`, digest.slice(7, 19)] as const),
    ...Object.entries(said ?? {})
      .filter(([name]) => name !== "Pod")
      .map(([name, text]) => [`said ${name}`, text] as const),
  ]);
}
