import { Badge, Box, Heading, Link as ChakraLink, Table, Text } from "@chakra-ui/react";
import { Link } from "react-router-dom";

import { ago } from "../ago";
import type { components } from "../answers";
import { duration } from "../duration";
import { runPageLink } from "../links";
import { Pages } from "../Pages";

type Pipeline = components["schemas"]["PipelinePageAnswer"];
type Run = Pipeline["runs"][number];

interface RunTableProps {
  readonly choose: (runId: string, isChosen: boolean) => void;
  readonly chosen: readonly string[];
  /** How many may be compared. */
  readonly most: number;
  readonly now: number;
  readonly page: number;
  readonly pipeline: Pipeline;
  readonly turn: (offset: number) => void;
}

/** The runs of a pipeline, the newest first, to be opened or chosen for a comparison. */
export function RunTable({ choose, chosen, most, now, page, pipeline, turn }: RunTableProps) {
  const { offset, runs, total } = pipeline;
  if (total === 0) {
    return (
      <Text color="fg.muted" role="status">
        It has not run yet: trigger it in Airflow.
      </Text>
    );
  }
  return (
    <Box as="section" aria-label="Runs" overflowX="auto">
      <Heading as="h2" marginBottom={2} size="sm">
        Runs
      </Heading>
      <Table.Root size="sm">
        <Table.Header>
          <Table.Row>
            {["Compare", "Run", "State", "Began", "Took", "Ran, not reused", "Champion"].map((name) => (
              <Table.ColumnHeader key={name}>{name}</Table.ColumnHeader>
            ))}
          </Table.Row>
        </Table.Header>
        <Table.Body>
          {runs.map((run) => (
            <Table.Row key={run.run_id}>
              <Table.Cell>
                <input
                  aria-label={`Compare ${run.run_id}`}
                  checked={chosen.includes(run.run_id)}
                  disabled={chosen.length >= most && !chosen.includes(run.run_id)}
                  onChange={(event) => {
                    choose(run.run_id, event.target.checked);
                  }}
                  type="checkbox"
                />
              </Table.Cell>
              <Table.Cell as="th" fontWeight="normal" scope="row" textAlign="start">
                <ChakraLink asChild color="fg.info">
                  <Link to={runPageLink(pipeline.dag_id, run.run_id)}>{run.run_id}</Link>
                </ChakraLink>
                {run.partition ? ` (${run.partition})` : ""}
              </Table.Cell>
              <Table.Cell>
                <Badge colorPalette={run.state}>{run.state}</Badge>
              </Table.Cell>
              <Table.Cell>{ago(run.started ?? run.run_after, now)}</Table.Cell>
              <Table.Cell>{run.started ? duration(run.started, run.ended, now) : ""}</Table.Cell>
              <Table.Cell>{ran(pipeline, run)}</Table.Cell>
              <Table.Cell>{run.promoted.join(", ")}</Table.Cell>
            </Table.Row>
          ))}
        </Table.Body>
      </Table.Root>
      <Pages names={["Newer", "Older"]} offset={offset} size={page} total={total} turn={turn} />
    </Box>
  );
}

/** Return the stages that did their work in a run, in words. */
export function ran(pipeline: Pipeline, run: Run): string {
  const cached = pipeline.stages.filter(({ task_id }) => run.stages[task_id]?.reuse);
  const worked = cached.filter(({ task_id }) => !run.stages[task_id]?.reuse?.reused).map(({ task_id }) => task_id);
  return cached.length === 0 ? "" : worked.length === 0 ? "nothing" : worked.join(", ");
}
