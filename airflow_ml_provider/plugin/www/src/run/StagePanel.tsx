import { Alert, Badge, Box, Heading, HStack, Link as ChakraLink, NativeSelect, Stack, Table, Text } from "@chakra-ui/react";
import { type ReactNode, useState } from "react";
import { Link } from "react-router-dom";

import type { components } from "../answers";
import { duration } from "../duration";
import { taskLink } from "../links";
import { number } from "../number";
import { size } from "../size";
import { verdict } from "../verdict";
import { Curves } from "./Curves";

type Stage = components["schemas"]["RunStageAnswer"];
type Instance = components["schemas"]["InstanceAnswer"];

interface StagePanelProps {
  readonly dagId: string;
  readonly now: number;
  readonly runId: string;
  readonly stage: Stage;
}

/** What one stage of a run did, and said. */
export function StagePanel({ dagId, now, runId, stage }: StagePanelProps) {
  const [index, setIndex] = useState<number>();
  const instance = stage.instances.find(({ map_index }) => map_index === index) ?? stage.instances[0];
  return (
    <Stack aria-label={`Stage ${stage.task_id}`} as="section" gap={4}>
      <HStack flexWrap="wrap">
        <Heading as="h2" size="md">
          {stage.task_id}
        </Heading>
        <Badge variant="outline">{stage.kind}</Badge>
        {stage.count > 1 ? <Elements chosen={instance?.map_index} choose={setIndex} stage={stage} /> : null}
        {instance?.state ? <Badge colorPalette={instance.state}>{instance.state.replaceAll("_", " ")}</Badge> : null}
        <Text color="fg.muted" fontSize="sm">
          {instance ? times(instance, now) : "It has not begun."}
        </Text>
        {instance ? (
          <ChakraLink color="fg.info" asChild fontSize="sm">
            <Link to={taskLink(dagId, runId, stage.task_id, instance.map_index)}>Task and log</Link>
          </ChakraLink>
        ) : null}
        {instance?.links.map(({ name, url }) => (
          <ChakraLink color="fg.info" fontSize="sm" href={url} key={name} rel="noreferrer" target="_blank">
            {name}
          </ChakraLink>
        ))}
      </HStack>
      {instance ? <Details dagId={dagId} instance={instance} runId={runId} stage={stage} /> : null}
    </Stack>
  );
}

function Details({ dagId, instance, runId, stage }: Omit<StagePanelProps, "now"> & { readonly instance: Instance }) {
  return (
    <>
      {instance.failure ? (
        <Alert.Root role="alert" status="error">
          <Alert.Indicator />
          <Alert.Content>
            <Alert.Title>{instance.failure.error}</Alert.Title>
            <Alert.Description overflowWrap="anywhere">{instance.failure.message}</Alert.Description>
          </Alert.Content>
        </Alert.Root>
      ) : null}
      <Rows
        rows={[
          ...(instance.reuse ? [[instance.reuse.reused ? "Reused" : "Ran", instance.reuse.reason] as const] : []),
          ...instance.verdicts.map(
            (found) => [`${found.name[0]?.toUpperCase() ?? ""}${found.name.slice(1)}`, verdict(found)] as const,
          ),
          ...Object.entries(instance.said ?? {}),
          ...Object.entries(stage.inputs).map(([name, from]) => [`Input ${name}`, from] as const),
        ]}
      />
      {Object.keys(instance.metrics).length > 0 ? (
        <Part name="Metrics">
          <Table.Root aria-label="Metrics" maxWidth="480px" size="sm">
            <Table.Body>
              {Object.entries(instance.metrics).map(([name, value]) => (
                <Table.Row key={name}>
                  <Table.Cell as="th" fontWeight="normal" scope="row" textAlign="start">
                    {name}
                  </Table.Cell>
                  <Table.Cell fontFamily="mono" textAlign="end">
                    {number(value)}
                  </Table.Cell>
                </Table.Row>
              ))}
            </Table.Body>
          </Table.Root>
        </Part>
      ) : null}
      {instance.has_curves ? (
        <Curves dagId={dagId} key={instance.map_index} mapIndex={instance.map_index} runId={runId} state={instance.state} taskId={stage.task_id} />
      ) : null}
      {instance.outputs.length > 0 ? (
        <Part name="Artifacts">
          <Table.Root aria-label="Artifacts" size="sm">
            <Table.Header>
              <Table.Row>
                {["Name", "Type", "Size", "Digest", "Where"].map((name) => (
                  <Table.ColumnHeader key={name}>{name}</Table.ColumnHeader>
                ))}
              </Table.Row>
            </Table.Header>
            <Table.Body>
              {instance.outputs.map((output) => (
                <Table.Row key={output.name}>
                  <Table.Cell>{output.name}</Table.Cell>
                  <Table.Cell>{output.type}</Table.Cell>
                  <Table.Cell whiteSpace="nowrap">{size(output.size)}</Table.Cell>
                  <Table.Cell fontFamily="mono" title={output.digest}>
                    {output.digest.slice(7, 19)}
                  </Table.Cell>
                  <Table.Cell fontFamily="mono" fontSize="xs" overflowWrap="anywhere">
                    {output.uri}
                  </Table.Cell>
                </Table.Row>
              ))}
            </Table.Body>
          </Table.Root>
        </Part>
      ) : null}
    </>
  );
}

function Rows({ rows }: { readonly rows: readonly (readonly [string, string])[] }) {
  if (rows.length === 0) return null;
  return (
    <Box as="dl" columnGap={4} display="grid" gridTemplateColumns="minmax(80px, max-content) 1fr" rowGap={1}>
      {rows.map(([name, text]) => (
        <Box display="contents" key={name}>
          <Text as="dt" color="fg.muted" fontSize="sm">
            {name}
          </Text>
          <Text as="dd" fontSize="sm" minWidth={0} overflowWrap="anywhere">
            {text}
          </Text>
        </Box>
      ))}
    </Box>
  );
}

function Part({ children, name }: { readonly children: ReactNode; readonly name: string }) {
  return (
    <Box overflowX="auto">
      <Heading as="h3" marginBottom={1} size="sm">
        {name}
      </Heading>
      {children}
    </Box>
  );
}

interface ElementsProps {
  readonly choose: (index: number) => void;
  readonly chosen: number | undefined;
  readonly stage: Stage;
}

function Elements({ choose, chosen, stage }: ElementsProps) {
  const more = stage.count - stage.instances.length;
  return (
    <NativeSelect.Root size="sm" width="auto">
      <NativeSelect.Field
        aria-label="Element"
        onChange={(event) => {
          choose(Number(event.target.value));
        }}
        value={chosen}
      >
        {stage.instances.map(({ map_index, state }) => (
          <option key={map_index} value={map_index}>
            element {map_index}: {state || "no state"}
          </option>
        ))}
        {more > 0 ? <option disabled>{more} more in Airflow</option> : null}
      </NativeSelect.Field>
      <NativeSelect.Indicator />
    </NativeSelect.Root>
  );
}

function times(instance: Instance, now: number): string {
  if (!instance.started) return "It has not begun.";
  const said = `${instance.ended ? "took" : "runs for"} ${duration(instance.started, instance.ended, now)}`;
  return instance.try_number > 1 ? `${said}, try ${String(instance.try_number)}` : said;
}
