import { Box, HStack, Stack, Text } from "@chakra-ui/react";
import { Link } from "react-router-dom";

import type { components } from "./answers";
import { runPageLink } from "./links";

type Pipeline = components["schemas"]["PipelineAnswer"];
type Run = components["schemas"]["RunAnswer"];

const CELL = "14px";

/** The last runs of a pipeline: a column a run, the newest at the right, a row a stage. */
export function RunStrip({ pipeline }: { readonly pipeline: Pipeline }) {
  if (pipeline.runs.length === 0) {
    return (
      <Text color="fg.muted" fontSize="sm">
        It has not run yet.
      </Text>
    );
  }
  return (
    <HStack align="end" gap={3} overflowX="auto">
      <Stack aria-hidden gap="2px" minWidth={0}>
        {pipeline.stages.map((stage) => (
          <Text
            color="fg.muted"
            fontSize="xs"
            height={CELL}
            key={stage.task_id}
            lineHeight={CELL}
            maxWidth="140px"
            truncate
          >
            {stage.task_id}
          </Text>
        ))}
      </Stack>
      <HStack aria-label={`Last runs of ${pipeline.name}`} as="ol" gap="2px" listStyleType="none">
        {[...pipeline.runs].reverse().map((run) => (
          <li key={run.run_id}>
            <Link aria-label={label(pipeline, run)} title={label(pipeline, run)} to={runPageLink(pipeline.dag_id, run.run_id)}>
              <Stack gap="2px">
                {pipeline.stages.map((stage) => (
                  <Cell key={stage.task_id} state={run.stages[stage.task_id]} />
                ))}
              </Stack>
            </Link>
          </li>
        ))}
      </HStack>
    </HStack>
  );
}

function Cell({ state }: { readonly state: string | undefined }) {
  if (state === undefined) {
    return <Box borderColor="border" borderRadius="2px" borderWidth="1px" height={CELL} width={CELL} />;
  }
  return <Box bg={`${state}.solid`} borderRadius="2px" height={CELL} width={CELL} />;
}

/** Return a run in words: its state, and those of its stages that are not as the run is. */
export function label(pipeline: Pipeline, run: Run): string {
  const others = pipeline.stages
    .map((stage) => [stage.task_id, run.stages[stage.task_id] ?? "no state"] as const)
    .filter(([, state]) => state !== run.state)
    .map(([name, state]) => `${name} ${state}`);
  return [`Run ${run.run_id}: ${run.state}`, ...others].join(", ");
}
