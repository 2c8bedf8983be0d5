import { Badge, Box, Heading, HStack, Link as ChakraLink, Skeleton, Stack, Text } from "@chakra-ui/react";
import { Link } from "react-router-dom";

import { useAddress } from "../address";
import { ago } from "../ago";
import type { components } from "../answers";
import { dagLink, pipelinesLink } from "../links";
import { usePolled } from "../polled";
import { Problem } from "../Problem";
import { Questions } from "../Questions";
import { StageGraph } from "../StageGraph";
import { Summary } from "../Summary";
import { Comparison } from "./Comparison";
import { RunTable } from "./RunTable";
import { Trend } from "./Trend";

type Pipeline = components["schemas"]["PipelinePageAnswer"];

const RUNS = 25;
const COMPARED = "compare";
const MOST_COMPARED = 6;

interface PipelineViewProps {
  readonly dagId: string;
  /** Whether Airflow's own page around it says already which DAG this is. */
  readonly isTab?: boolean;
}

/** A pipeline: its graph, what it made last, its metrics over runs, and what differs between runs. */
export function PipelineView({ dagId, isTab = false }: PipelineViewProps) {
  const [params, alter] = useAddress();
  const compared = params.getAll(COMPARED).slice(0, MOST_COMPARED);
  const asked = new URLSearchParams({ limit: String(RUNS), offset: params.get("offset") ?? "0" });
  for (const runId of compared) asked.append(COMPARED, runId);
  const path = `dags/${encodeURIComponent(dagId)}?${asked.toString()}`;
  const { answer, at, error } = usePolled<Pipeline>(path);
  if (!answer) return error ? <Problem error={error} /> : <Skeleton aria-busy height="320px" />;
  const change = (name: string, value: string) => {
    alter((after) => {
      after.delete(name);
      if (value) after.set(name, value);
    });
  };
  const choose = (runId: string, isChosen: boolean) => {
    alter((after) => {
      const others = after.getAll(COMPARED).filter((each) => each !== runId);
      after.delete(COMPARED);
      for (const each of isChosen ? [...others, runId] : others) after.append(COMPARED, each);
    });
  };
  return (
    <Stack gap={5}>
      {isTab ? null : <Header now={at} pipeline={answer} />}
      {error ? <Problem error={error} /> : null}
      <Questions dagId={dagId} now={at} questions={answer.questions} />
      {answer.stages.length === 0 ? (
        <Text color="fg.muted" overflowWrap="anywhere" role="status">
          {answer.problem || "This DAG has no stage of this provider: Airflow's own tabs show its tasks."}
        </Text>
      ) : (
        <Graph pipeline={answer} />
      )}
      <Summary now={at} pipeline={answer} />
      <Trend
        choose={(metric) => {
          change("metric", metric);
        }}
        chosen={params.get("metric") ?? ""}
        pipeline={answer}
      />
      <Comparison
        forget={() => {
          change(COMPARED, "");
        }}
        pipeline={answer}
      />
      <RunTable
        choose={choose}
        chosen={compared}
        most={MOST_COMPARED}
        now={at}
        page={RUNS}
        pipeline={answer}
        turn={(offset) => {
          change("offset", offset > 0 ? String(offset) : "");
        }}
      />
    </Stack>
  );
}

function Graph({ pipeline }: { readonly pipeline: Pipeline }) {
  return (
    <StageGraph
      stages={pipeline.stages.map((stage) => ({
        ...stage,
        count: 1,
        isReused: false,
        state: pipeline.last[stage.task_id] ?? "",
      }))}
    />
  );
}

function Header({ now, pipeline }: { readonly now: number; readonly pipeline: Pipeline }) {
  const next = pipeline.next_run && !pipeline.paused && Date.parse(pipeline.next_run) > now ? pipeline.next_run : "";
  const facts = [pipeline.schedule || "no schedule", next ? `next run ${ago(next, now)}` : ""];
  return (
    <Box>
      <HStack as="nav" aria-label="Path" fontSize="sm">
        <ChakraLink asChild color="fg.info">
          <Link to={pipelinesLink()}>Machine learning</Link>
        </ChakraLink>
      </HStack>
      <HStack flexWrap="wrap">
        <Heading as="h1" overflowWrap="anywhere" size="lg">
          {pipeline.name}
        </Heading>
        {pipeline.paused ? <Badge>paused</Badge> : null}
      </HStack>
      {pipeline.description ? <Text fontSize="sm">{pipeline.description}</Text> : null}
      <HStack color="fg.muted" flexWrap="wrap" fontSize="sm" gap={4}>
        <Text>{facts.filter(Boolean).join(" · ")}</Text>
        <ChakraLink asChild color="fg.info">
          <Link to={dagLink(pipeline.dag_id)}>In Airflow</Link>
        </ChakraLink>
        <ChakraLink asChild color="fg.info">
          <Link to={`${dagLink(pipeline.dag_id)}/plugin/ml_plan`}>What the next run would do</Link>
        </ChakraLink>
      </HStack>
    </Box>
  );
}
