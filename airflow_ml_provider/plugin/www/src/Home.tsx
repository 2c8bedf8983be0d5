import { Alert, Heading, HStack, NativeSelect, SimpleGrid, Skeleton, Stack, Text } from "@chakra-ui/react";
import { useCallback, useEffect } from "react";

import { useAddress } from "./address";
import type { components } from "./answers";
import { Pages } from "./Pages";
import { PipelineCard } from "./PipelineCard";
import { usePolled } from "./polled";
import { Problem } from "./Problem";
import { Search } from "./Search";

type Answer = components["schemas"]["HomeAnswer"];

const PAGE = 24;
const STATES = ["queued", "running", "success", "failed"];

/** All pipelines that the user may see, those that wait for an answer first. */
export function Home() {
  const [params, alter] = useAddress();
  const asked = new URLSearchParams({ limit: String(PAGE) });
  for (const name of ["search", "tag", "owner", "state", "offset"]) {
    const value = params.get(name);
    if (value) asked.set(name, value);
  }
  const { answer, at, error } = usePolled<Answer>(`pipelines?${asked.toString()}`);

  const change = useCallback(
    (name: string, value: string, replace: boolean) => {
      alter((after) => {
        after.delete("offset");
        after.delete(name);
        if (value) after.set(name, value);
      }, replace);
    },
    [alter],
  );
  const search = useCallback(
    (text: string) => {
      change("search", text, true);
    },
    [change],
  );
  const choose = useCallback(
    (name: string, value: string) => {
      change(name, value, true);
    },
    [change],
  );
  const turn = (offset: number) => {
    change("offset", offset > 0 ? String(offset) : "", false);
  };

  const beyond = answer !== undefined && answer.total > 0 && answer.offset >= answer.total;
  useEffect(() => {
    if (beyond) change("offset", "", true);
  }, [beyond, change]);

  return (
    <Stack gap={4}>
      <HStack flexWrap="wrap" justify="space-between">
        <Heading as="h1" size="xl">
          Machine learning
        </Heading>
        <HStack flexWrap="wrap">
          <Search choose={search} chosen={params.get("search") ?? ""} />
          <Choice label="Tag" name="tag" options={answer?.tags ?? []} params={params} choose={choose} />
          <Choice label="Owner" name="owner" options={answer?.owners ?? []} params={params} choose={choose} />
          <Choice label="Last run" name="state" options={STATES} params={params} choose={choose} />
        </HStack>
      </HStack>
      {error ? <Problem error={error} /> : null}
      {answer?.waiting ? (
        <Alert.Root role="status" status="warning">
          <Alert.Indicator />
          <Alert.Title>
            {answer.waiting === 1 ? "1 pipeline waits" : `${String(answer.waiting)} pipelines wait`} for an answer
          </Alert.Title>
        </Alert.Root>
      ) : null}
      {answer ? <Cards answer={answer} filtered={asked.size > 1} now={at} /> : error ? null : <Loading />}
      {answer ? (
        <Pages names={["Previous", "Next"]} offset={answer.offset} size={PAGE} total={answer.total} turn={turn} />
      ) : null}
    </Stack>
  );
}

interface ChoiceProps {
  readonly choose: (name: string, value: string) => void;
  readonly label: string;
  readonly name: string;
  readonly options: readonly string[];
  readonly params: URLSearchParams;
}

function Choice({ choose, label, name, options, params }: ChoiceProps) {
  const chosen = params.get(name) ?? "";
  const offered = chosen === "" || options.includes(chosen) ? options : [chosen, ...options];
  return (
    <NativeSelect.Root size="sm" width="140px">
      <NativeSelect.Field
        aria-label={label}
        onChange={(event) => {
          choose(name, event.target.value);
        }}
        value={chosen}
      >
        <option value="">{label}: all</option>
        {offered.map((option) => (
          <option key={option} value={option}>
            {option}
          </option>
        ))}
      </NativeSelect.Field>
      <NativeSelect.Indicator />
    </NativeSelect.Root>
  );
}

interface CardsProps {
  readonly answer: Answer;
  readonly filtered: boolean;
  readonly now: number;
}

function Cards({ answer, filtered, now }: CardsProps) {
  if (answer.total === 0) {
    return (
      <Text color="fg.muted" role="status">
        {filtered
          ? "No pipeline fits: choose other filters."
          : "There is no pipeline yet that you may see: put a pipeline's YAML file beside load_dags, as the first tutorial does."}
      </Text>
    );
  }
  return (
    <SimpleGrid gap={4} minChildWidth="min(360px, 100%)">
      {answer.pipelines.map((pipeline) => (
        <PipelineCard key={pipeline.dag_id} now={now} pipeline={pipeline} />
      ))}
    </SimpleGrid>
  );
}

function Loading() {
  return (
    <SimpleGrid aria-busy gap={4} minChildWidth="min(360px, 100%)">
      {["a", "b", "c"].map((key) => (
        <Skeleton height="180px" key={key} />
      ))}
    </SimpleGrid>
  );
}
