import { Box, Heading, HStack, NativeSelect, Text } from "@chakra-ui/react";
import { useNavigate } from "react-router-dom";
import { CartesianGrid, Line, LineChart, ResponsiveContainer, Tooltip, XAxis, YAxis } from "recharts";

import type { components } from "../answers";
import { runPageLink } from "../links";
import { number } from "../number";

type Pipeline = components["schemas"]["PipelinePageAnswer"];

const TICK = { fill: "currentColor", fontSize: 11 };

interface Point {
  readonly at: string;
  readonly promoted: string;
  readonly runId: string;
  readonly value: number;
}

interface TrendProps {
  readonly choose: (metric: string) => void;
  readonly chosen: string;
  readonly pipeline: Pipeline;
}

/** A metric over the runs that are shown, with those marked that made a champion. */
export function Trend({ choose, chosen, pipeline }: TrendProps) {
  const navigate = useNavigate();
  const names = metricNames(pipeline);
  const name = names.includes(chosen) ? chosen : usual(pipeline, names);
  if (!name) return null;
  const points = pointsOf(pipeline, name);
  const promotions = points.filter(({ promoted }) => promoted);
  return (
    <Box as="section" aria-label="Metrics over runs">
      <HStack flexWrap="wrap" marginBottom={2}>
        <Heading as="h2" size="sm">
          Metrics over runs
        </Heading>
        <NativeSelect.Root size="sm" width="auto">
          <NativeSelect.Field
            aria-label="Metric"
            onChange={(event) => {
              choose(event.target.value);
            }}
            value={name}
          >
            {names.map((each) => (
              <option key={each} value={each}>
                {each}
              </option>
            ))}
          </NativeSelect.Field>
          <NativeSelect.Indicator />
        </NativeSelect.Root>
        <Text color="fg.muted" fontSize="sm">
          {promotions.length > 0 ? `● became champion: ${promotions.map(({ promoted }) => promoted).join(", ")}` : ""}
        </Text>
      </HStack>
      <ResponsiveContainer height={180} width="100%">
        <LineChart data={points} margin={{ bottom: 0, left: 0, right: 12, top: 8 }}>
          <CartesianGrid opacity={0.2} />
          <XAxis dataKey="at" stroke="currentColor" tick={TICK} />
          <YAxis domain={["auto", "auto"]} stroke="currentColor" tick={TICK} tickFormatter={number} width={56} />
          <Tooltip
            contentStyle={{ background: "var(--chakra-colors-bg-panel)", fontSize: 12 }}
            formatter={(value) => number(value as number)}
          />
          <Line
            dataKey="value"
            dot={({ cx, cy, payload }: { cx?: number; cy?: number; payload?: Point }) => (
              <circle
                aria-label={payload ? `Run ${payload.runId}: ${number(payload.value)}` : undefined}
                cx={cx}
                cy={cy}
                fill={payload?.promoted ? "var(--chakra-colors-success-solid)" : "var(--chakra-colors-running-solid)"}
                key={payload?.runId}
                onClick={() => {
                  if (payload) void navigate(runPageLink(pipeline.dag_id, payload.runId));
                }}
                r={payload?.promoted ? 7 : 4}
                style={{ cursor: "pointer" }}
              />
            )}
            isAnimationActive={false}
            name={name}
            stroke="var(--chakra-colors-running-solid)"
            strokeWidth={2}
          />
        </LineChart>
      </ResponsiveContainer>
    </Box>
  );
}

/** Return the metrics of all stages, such as "evaluate: rmse". */
export function metricNames(pipeline: Pipeline): string[] {
  const found = new Set<string>();
  for (const { task_id } of pipeline.stages) {
    for (const { stages } of pipeline.runs) {
      for (const metric of Object.keys(stages[task_id]?.metrics ?? {})) found.add(`${task_id}: ${metric}`);
    }
  }
  return [...found];
}

/** Return the metric that is shown until one is chosen: the first that a gate is about, or of an evaluation, or of all. */
export function usual(pipeline: Pipeline, names: readonly string[]): string | undefined {
  const evaluation = pipeline.stages.filter(({ kind }) => kind === "evaluate").at(-1)?.task_id;
  const ofEvaluation = names.filter((name) => evaluation !== undefined && name.startsWith(`${evaluation}: `));
  const gates = pipeline.runs.flatMap(({ stages }) => stages[evaluation ?? ""]?.verdicts ?? []);
  const reason = gates[0]?.reasons[0] ?? "";
  const ofGate = ofEvaluation.find((name) => reason.startsWith(`${name.slice((evaluation?.length ?? 0) + 2)} `));
  return ofGate ?? ofEvaluation[0] ?? names[0];
}

/** Return a metric's values, the oldest run first. */
export function pointsOf(pipeline: Pipeline, name: string): Point[] {
  const end = name.indexOf(": ");
  const [task, metric] = [name.slice(0, end), name.slice(end + 2)];
  const points: Point[] = [];
  for (const run of [...pipeline.runs].reverse()) {
    const value = run.stages[task]?.metrics[metric];
    if (typeof value === "number") {
      const at = run.partition || new Date(run.run_after).toLocaleString(undefined, { dateStyle: "short", timeStyle: "short" });
      points.push({ at, promoted: run.promoted.join(", "), runId: run.run_id, value });
    }
  }
  return points;
}
