import { Badge, Box, Card, HStack, Link as ChakraLink, Stack, Text } from "@chakra-ui/react";
import { Link } from "react-router-dom";

import { ago } from "./ago";
import type { components } from "./answers";
import { pipelineLink, questionLink } from "./links";
import { RunStrip } from "./RunStrip";
import { Summary } from "./Summary";

type Pipeline = components["schemas"]["PipelineAnswer"];

/** What is to be known of a pipeline at a glance. */
export function PipelineCard({ now, pipeline }: { readonly now: number; readonly pipeline: Pipeline }) {
  const last = pipeline.runs[0];
  return (
    <Card.Root as="article" size="sm">
      <Card.Header>
        <HStack justify="space-between">
          <Card.Title as="h2" minWidth={0}>
            <ChakraLink asChild display="block" truncate>
              <Link title={pipeline.name} to={pipelineLink(pipeline.dag_id)}>
                {pipeline.name}
              </Link>
            </ChakraLink>
          </Card.Title>
          <HStack flexShrink={0}>
            {pipeline.problem ? <Badge colorPalette="failed">broken</Badge> : null}
            {pipeline.paused ? <Badge>paused</Badge> : null}
            {last ? <Badge colorPalette={last.state}>{last.state}</Badge> : null}
          </HStack>
        </HStack>
      </Card.Header>
      <Card.Body gap={3}>
        {pipeline.description ? (
          <Text fontSize="sm" lineClamp={2}>
            {pipeline.description}
          </Text>
        ) : null}
        {pipeline.questions.map((question) => (
          <Box
            borderColor="awaiting_input.solid"
            borderStartWidth="4px"
            key={`${question.run_id} ${question.task_id} ${String(question.map_index)}`}
            paddingInlineStart={2}
          >
            <ChakraLink asChild fontSize="sm">
              <Link to={questionLink(pipeline.dag_id, question)}>{question.subject}</Link>
            </ChakraLink>
            <Text color="fg.muted" fontSize="xs">
              asked {ago(question.asked, now)}
            </Text>
          </Box>
        ))}
        <Summary now={now} pipeline={pipeline} />
        {pipeline.problem ? (
          <Text fontSize="sm" lineClamp={4} overflowWrap="anywhere">
            {pipeline.problem}
          </Text>
        ) : (
          <RunStrip pipeline={pipeline} />
        )}
      </Card.Body>
      <Card.Footer>
        <Stack gap={1}>
          <Text color="fg.muted" fontSize="xs">
            {times(pipeline, now)}
          </Text>
          <HStack flexWrap="wrap" gap={1}>
            {pipeline.tags.map((tag) => (
              <Badge key={tag} variant="outline">
                {tag}
              </Badge>
            ))}
          </HStack>
        </Stack>
      </Card.Footer>
    </Card.Root>
  );
}

function times(pipeline: Pipeline, now: number): string {
  const last = pipeline.runs[0];
  const said = [
    last ? `last run ${ago(last.run_after, now)}` : "",
    pipeline.next_run && !pipeline.paused && Date.parse(pipeline.next_run) > now ? `next run ${ago(pipeline.next_run, now)}` : "",
    pipeline.schedule ? pipeline.schedule : "no schedule",
    pipeline.owners.join(", "),
  ];
  return said.filter(Boolean).join(" · ");
}
