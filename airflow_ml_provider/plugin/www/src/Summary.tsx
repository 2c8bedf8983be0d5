import { Badge, HStack, Link as ChakraLink, Stack, Text } from "@chakra-ui/react";
import type { ReactNode } from "react";
import { Link } from "react-router-dom";

import { ago } from "./ago";
import type { components } from "./answers";
import { taskLink } from "./links";

type Pipeline = Pick<components["schemas"]["PipelineAnswer"], "dag_id" | "name" | "summary">;
type Found = Pick<components["schemas"]["ChampionAnswer"], "at" | "run_id" | "task_id">;

/** What the stages of a pipeline said last of its model, endpoint, drift and data. */
export function Summary({ now, pipeline }: { readonly now: number; readonly pipeline: Pipeline }) {
  const { champions, data, drift, endpoints } = pipeline.summary;
  if (champions.length + data.length + drift.length + endpoints.length === 0) return null;
  return (
    <Stack aria-label={`What ${pipeline.name} made`} as="ul" gap={1} listStyleType="none">
      {champions.map((found) => (
        <Said found={found} key={found.model} name="Champion" now={now} pipeline={pipeline}>
          {found.model} version {found.version}
          {found.gate.length > 0 ? `, ${found.gate.join(", ")}` : ""}
          {found.by ? `, approved by ${found.by}` : ""}
        </Said>
      ))}
      {endpoints.map((found) => (
        <Said found={found} key={found.task_id} name="Serves" now={now} pipeline={pipeline}>
          {found.model} version {found.version}
          {found.url ? (
            <>
              {" at "}
              <ChakraLink href={found.url} rel="noreferrer" target="_blank">
                {found.url}
              </ChakraLink>
            </>
          ) : null}
        </Said>
      ))}
      {drift.map((found) => (
        <Said found={found} key={found.task_id} name="Drift" now={now} pipeline={pipeline} warns={found.raised}>
          {found.raised ? found.reasons.join(", ") : "within its limits"}
          {found.drifted.length > 0 ? `, drifted: ${found.drifted.join(", ")}` : ""}
        </Said>
      ))}
      {data.map((found) => (
        <Said found={found} key={found.task_id} name="Data" now={now} pipeline={pipeline} warns={found.waiting > 0}>
          {found.objects === 1 ? "1 object" : `${String(found.objects)} objects`}
          {found.newest ? `, the newest ${newest(found.newest, now)}` : ""}
          {found.waiting > 0 ? `, ${String(found.waiting)} more wait` : ""}
        </Said>
      ))}
    </Stack>
  );
}

interface SaidProps {
  readonly children: ReactNode;
  readonly found: Found;
  readonly name: string;
  readonly now: number;
  readonly pipeline: Pipeline;
  readonly warns?: boolean;
}

function Said({ children, found, name, now, pipeline, warns = false }: SaidProps) {
  return (
    <HStack align="baseline" as="li" gap={2}>
      <Badge colorPalette={warns ? "up_for_retry" : undefined} flexShrink={0} minWidth="70px" variant={warns ? "solid" : "subtle"}>
        {name}
      </Badge>
      <Text fontSize="sm" lineClamp={3} minWidth={0} overflowWrap="anywhere">
        {children}{" "}
        <ChakraLink asChild color="fg.muted" fontSize="xs">
          <Link to={taskLink(pipeline.dag_id, found.run_id, found.task_id)}>{ago(found.at, now)}</Link>
        </ChakraLink>
      </Text>
    </HStack>
  );
}

/** Return when something changed, in words; a watermark that is no time stays as it is. */
function newest(text: string, now: number): string {
  return /^\d{4}-\d\d-\d\dT/.test(text) && !Number.isNaN(Date.parse(text)) ? ago(text, now) : text;
}
