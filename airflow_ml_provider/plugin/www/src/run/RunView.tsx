import { Badge, Box, Heading, HStack, Link as ChakraLink, Skeleton, Stack, Text } from "@chakra-ui/react";
import { useState } from "react";
import { Link } from "react-router-dom";

import { ago } from "../ago";
import type { components } from "../answers";
import { duration } from "../duration";
import { pipelineLink, pipelinesLink, runLink, runPageLink } from "../links";
import { usePolled } from "../polled";
import { Problem } from "../Problem";
import { Questions } from "../Questions";
import { StageGraph } from "../StageGraph";
import { StagePanel } from "./StagePanel";

type Run = components["schemas"]["RunPageAnswer"];

interface RunViewProps {
  readonly dagId: string;
  /** Whether Airflow's own page around it says already which run this is. */
  readonly isTab?: boolean;
  readonly runId: string;
}

/** A run of a pipeline, live: the graph of its stages, and what each said. */
export function RunView({ dagId, isTab = false, runId }: RunViewProps) {
  const path = `dags/${encodeURIComponent(dagId)}/runs/${encodeURIComponent(runId)}`;
  const { answer, at, error } = usePolled<Run>(path);
  const [chosen, setChosen] = useState("");
  if (!answer) return error ? <Problem error={error} /> : <Skeleton aria-busy height="320px" />;
  const stage = answer.stages.find(({ task_id }) => task_id === chosen) ?? mostInteresting(answer);
  return (
    <Stack gap={4}>
      {isTab ? null : <Header now={at} run={answer} />}
      {error ? <Problem error={error} /> : null}
      <Questions dagId={dagId} now={at} questions={answer.questions} />
      {stage ? (
        <>
          <StageGraph
            choose={setChosen}
            chosen={stage.task_id}
            stages={answer.stages.map((each) => ({
              ...each,
              isReused: each.instances.length > 0 && each.instances.every(({ reuse }) => reuse?.reused),
            }))}
          />
          <StagePanel dagId={dagId} key={stage.task_id} now={at} runId={runId} stage={stage} />
        </>
      ) : (
        <Text color="fg.muted" overflowWrap="anywhere" role="status">
          {answer.problem ||
            "This DAG has no stage of this provider: Airflow's own tabs show its tasks."}
        </Text>
      )}
    </Stack>
  );
}

function Header({ now, run }: { readonly now: number; readonly run: Run }) {
  const facts = [
    run.started ? `started ${ago(run.started, now)}` : `due ${ago(run.run_after, now)}`,
    run.started ? `${run.ended ? "took" : "runs for"} ${duration(run.started, run.ended, now)}` : "",
    run.partition ? `partition ${run.partition}` : "",
    run.by ? `${run.run_type} by ${run.by}` : run.run_type,
  ];
  return (
    <Box>
      <HStack as="nav" aria-label="Path" flexWrap="wrap" fontSize="sm" gap={2}>
        <ChakraLink color="fg.info" asChild>
          <Link to={pipelinesLink()}>Machine learning</Link>
        </ChakraLink>
        <Text aria-hidden>/</Text>
        <ChakraLink color="fg.info" asChild>
          <Link to={pipelineLink(run.dag_id)}>{run.name}</Link>
        </ChakraLink>
      </HStack>
      <HStack flexWrap="wrap">
        <Heading as="h1" overflowWrap="anywhere" size="lg">
          {run.run_id}
        </Heading>
        <Badge colorPalette={run.state}>{run.state}</Badge>
      </HStack>
      <HStack color="fg.muted" flexWrap="wrap" fontSize="sm" gap={4}>
        <Text>{facts.filter(Boolean).join(" · ")}</Text>
        {run.earlier ? (
          <ChakraLink color="fg.info" asChild>
            <Link to={runPageLink(run.dag_id, run.earlier)}>Run before</Link>
          </ChakraLink>
        ) : null}
        {run.later ? (
          <ChakraLink color="fg.info" asChild>
            <Link to={runPageLink(run.dag_id, run.later)}>Run after</Link>
          </ChakraLink>
        ) : null}
        <ChakraLink color="fg.info" asChild>
          <Link to={runLink(run.dag_id, run.run_id)}>In Airflow</Link>
        </ChakraLink>
      </HStack>
    </Box>
  );
}

const ORDER = ["failed", "upstream_failed", "awaiting_input", "running", "restarting", "up_for_retry", "deferred", "queued"];

/** Return the stage that is shown until one is chosen: one that failed, asks or runs; else the last that ended. */
export function mostInteresting(run: Run): Run["stages"][number] | undefined {
  for (const state of ORDER) {
    const found = run.stages.find((stage) => stage.state === state);
    if (found) return found;
  }
  return run.stages.filter(({ state }) => state === "success").at(-1) ?? run.stages[0];
}
