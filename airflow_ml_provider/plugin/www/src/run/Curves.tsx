import { Box, Heading, SimpleGrid, Text } from "@chakra-ui/react";
import { CartesianGrid, Line, LineChart, ResponsiveContainer, Tooltip, XAxis, YAxis } from "recharts";

import type { components } from "../answers";
import { number } from "../number";
import { usePolled } from "../polled";

type Answer = components["schemas"]["CurvesAnswer"];
type Curve = components["schemas"]["CurveAnswer"];

const TICK = { fill: "currentColor", fontSize: 11 };

interface CurvesProps {
  readonly dagId: string;
  readonly mapIndex: number;
  readonly runId: string;
  readonly state: string;
  readonly taskId: string;
}

/** Params, and metrics by step, that MLflow has of a stage; while it runs they are asked for again and again. */
export function Curves({ dagId, mapIndex, runId, state, taskId }: CurvesProps) {
  const run = `dags/${encodeURIComponent(dagId)}/runs/${encodeURIComponent(runId)}`;
  // A state that changes asks anew.
  const path = `${run}/stages/${encodeURIComponent(taskId)}/curves?map_index=${String(mapIndex)}`;
  const { answer, error } = usePolled<Answer>(path, state);
  const params = Object.entries(answer?.params ?? {});
  return (
    <>
      {error ? (
        <Text color="fg.muted" fontSize="sm" role="status">
          MLflow: {error.message}
        </Text>
      ) : null}
      {params.length > 0 ? (
        <Box>
          <Heading as="h3" marginBottom={1} size="sm">
            Params
          </Heading>
          <Text fontFamily="mono" fontSize="sm" overflowWrap="anywhere">
            {params.map(([name, value]) => `${name}=${value}`).join("  ")}
          </Text>
        </Box>
      ) : null}
      {answer && answer.curves.length > 0 ? (
        <Box>
          <Heading as="h3" marginBottom={1} size="sm">
            Metrics by step
          </Heading>
          <SimpleGrid gap={4} minChildWidth="min(280px, 100%)">
            {answer.curves.map((curve) => (
              <Chart curve={curve} key={curve.name} />
            ))}
          </SimpleGrid>
          {answer.left_out > 0 ? (
            <Text color="fg.muted" fontSize="sm" role="status">
              {answer.left_out} more in MLflow
            </Text>
          ) : null}
        </Box>
      ) : null}
    </>
  );
}

function Chart({ curve }: { readonly curve: Curve }) {
  const points = curve.points.map(([step, value]) => ({ step, value }));
  const last = points.at(-1);
  return (
    <Box as="figure">
      <Text as="figcaption" fontSize="sm" truncate>
        {curve.name}
        {last ? ` ${number(last.value)} at step ${String(last.step)}` : ""}
        {curve.whole ? "" : ", the first 10,000 values and the last"}
      </Text>
      <ResponsiveContainer height={140} width="100%">
        <LineChart data={points} margin={{ bottom: 0, left: 0, right: 8, top: 8 }}>
          <CartesianGrid opacity={0.2} />
          <XAxis dataKey="step" domain={["dataMin", "dataMax"]} stroke="currentColor" tick={TICK} type="number" />
          <YAxis domain={["auto", "auto"]} stroke="currentColor" tick={TICK} tickFormatter={number} width={48} />
          <Tooltip
            contentStyle={{ background: "var(--chakra-colors-bg-panel)", fontSize: 12 }}
            formatter={(value) => number(value as number)}
            labelFormatter={(step) => `step ${String(step)}`}
          />
          <Line dataKey="value" dot={false} isAnimationActive={false} name={curve.name} stroke="var(--chakra-colors-running-solid)" strokeWidth={2} />
        </LineChart>
      </ResponsiveContainer>
    </Box>
  );
}
