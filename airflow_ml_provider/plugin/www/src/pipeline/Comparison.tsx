import { Box, Heading, Table, Text } from "@chakra-ui/react";
import { Link as ChakraLink } from "@chakra-ui/react";
import { Link } from "react-router-dom";

import { runPageLink } from "../links";
import { number } from "../number";
import type { components } from "../answers";

type Pipeline = components["schemas"]["PipelinePageAnswer"];
type Run = Pipeline["runs"][number];
type Result = Run["stages"][string];

/** What differs between runs; nothing before two are chosen. */
export function Comparison({ pipeline, runIds }: { readonly pipeline: Pipeline; readonly runIds: readonly string[] }) {
  const runs = pipeline.runs.filter(({ run_id }) => runIds.includes(run_id)).reverse();
  if (runs.length < 2) return null;
  const rows = differences(pipeline, runs);
  return (
    <Box as="section" aria-label="What differs" overflowX="auto">
      <Heading as="h2" marginBottom={2} size="sm">
        What differs between {runs.length} runs
      </Heading>
      {rows.length === 0 ? (
        <Text role="status">Nothing: the same states, metrics and artifacts.</Text>
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
            {rows.map(({ name, stage, values }) => (
              <Table.Row key={`${stage} ${name}`}>
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
  readonly name: string;
  readonly stage: string;
  readonly values: readonly string[];
}

/** Return what is not the same in all runs, stage by stage. */
export function differences(pipeline: Pipeline, runs: readonly Run[]): Difference[] {
  const found: Difference[] = [];
  for (const { task_id: stage } of pipeline.stages) {
    const told = runs.map(({ stages }) => facts(stages[stage]));
    for (const name of new Set(told.flatMap((each) => Object.keys(each)))) {
      const values = told.map((each) => each[name] ?? "");
      if (new Set(values).size > 1) found.push({ name, stage, values });
    }
  }
  return found;
}

function facts(result: Result | undefined): Record<string, string> {
  if (!result) return {};
  const { metrics, outputs, reuse, said, state, verdicts } = result;
  return {
    state,
    ...(reuse ? { reuse: `${reuse.reused ? "reused" : "ran"}: ${reuse.reason}` } : {}),
    ...Object.fromEntries(Object.entries(metrics).map(([name, value]) => [name, number(value)])),
    ...Object.fromEntries(verdicts.map(({ name, passed, reasons }) => [name, `${passed ? "passed" : "not passed"}: ${reasons.join(", ")}`])),
    ...Object.fromEntries(outputs.map(({ digest, name }) => [`artifact ${name}`, digest.slice(7, 19)])),
    ...Object.fromEntries(Object.entries(said ?? {}).filter(([name]) => name !== "Pod")),
  };
}
