import { ChakraProvider, createSystem, defaultConfig } from "@chakra-ui/react";
import { cleanup, fireEvent, render, screen, within } from "@testing-library/react";
import { MemoryRouter } from "react-router-dom";
import { afterEach, beforeEach, expect, test, vi } from "vitest";

import type { components } from "../src/answers";
import { differences } from "../src/pipeline/Comparison";
import { PipelineView } from "../src/pipeline/PipelineView";
import { ran } from "../src/pipeline/RunTable";
import { metricNames, pointsOf, usual } from "../src/pipeline/Trend";

type Pipeline = components["schemas"]["PipelinePageAnswer"];
type Run = Pipeline["runs"][number];
type Result = Run["stages"][string];

const RESULT: Result = { metrics: {}, outputs: [], reuse: null, said: {}, state: "success", verdicts: [] };

function result(given: Partial<Result> = {}): Result {
  return { ...RESULT, ...given };
}

function run(name: string, given: Partial<Run> = {}): Run {
  return {
    by: "",
    ended: "2026-11-30T11:02:05Z",
    partition: "",
    promoted: [],
    run_after: "2026-11-30T11:00:00Z",
    run_id: name,
    run_type: "manual",
    stages: {},
    started: "2026-11-30T11:00:00Z",
    state: "success",
    ...given,
  };
}

function output(digit: string) {
  return { digest: `sha256:${digit.repeat(64)}`, name: "model", size: 1, type: "model", uri: "s3://b/m" };
}

const NEW = run("new", {
  promoted: ["flights 4"],
  stages: {
    evaluate: result({ metrics: { mae: 1, rmse: 10.5 }, verdicts: [{ name: "gate", passed: true, reasons: ["rmse is 10.5, < 20"] }] }),
    train: result({ outputs: [output("b")], reuse: { reason: "params.max_depth is 8, was 6", reused: false } }),
  },
});
const OLD = run("old", {
  stages: {
    evaluate: result({ metrics: { mae: 1, rmse: 12 } }),
    train: result({ outputs: [output("a")], reuse: { reason: "the same work", reused: true }, said: { Pod: "ml/a" } }),
  },
});
const PIPELINE: Pipeline = {
  compared: [],
  dag_id: "flights",
  description: "Predicts delays",
  last: { train: "success" },
  name: "Flight delays",
  next_run: null,
  offset: 0,
  paused: false,
  problem: "",
  questions: [],
  reads_xcoms: true,
  runs: [NEW, OLD],
  schedule: "",
  stages: [
    { inputs: {}, kind: "train", task_id: "train", upstream: [] },
    { inputs: {}, kind: "evaluate", task_id: "evaluate", upstream: ["train"] },
  ],
  summary: { champions: [], data: [], drift: [], endpoints: [] },
  total: 2,
};

const asked: string[] = [];

function shown(answer: Pipeline) {
  vi.stubGlobal("fetch", (address: string) => {
    asked.push(address);
    return Promise.resolve(new Response(JSON.stringify(answer)));
  });
  render(
    <ChakraProvider value={createSystem(defaultConfig)}>
      <MemoryRouter>
        <PipelineView dagId="flights" />
      </MemoryRouter>
    </ChakraProvider>,
  );
}

beforeEach(() => {
  asked.length = 0;
  vi.stubGlobal(
    "ResizeObserver",
    class {
      disconnect = vi.fn();
      observe = vi.fn();
      unobserve = vi.fn();
    },
  );
});

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

test("runs that are chosen are asked for", async () => {
  shown(PIPELINE);
  await screen.findByRole("heading", { name: "Flight delays" });
  expect(screen.queryByRole("region", { name: "What differs" })).toBeNull();
  fireEvent.click(screen.getByLabelText("Compare new"));
  fireEvent.click(screen.getByLabelText("Compare old"));
  await vi.waitFor(() => {
    expect(asked.at(-1)).toBe("/ml/api/dags/flights?limit=25&offset=0&compare=new&compare=old");
  });
});

test("runs are compared by what differs", async () => {
  shown({ ...PIPELINE, compared: [OLD, NEW] });
  const rows = within(await screen.findByRole("region", { name: "What differs" })).getAllByRole("row");
  expect(rows.map(({ textContent }) => textContent)).toEqual([
    "StageWhatoldnew",
    "trainreusereused: the same workran: params.max_depth is 8, was 6",
    "trainartifact modelaaaaaaaaaaaabbbbbbbbbbbb",
    "evaluatermse1210.5",
    "evaluategate–passed: rmse is 10.5, < 20",
  ]);
});

test("who may not read XComs is told so", async () => {
  shown({ ...PIPELINE, compared: [OLD, { ...OLD, run_id: "again" }], reads_xcoms: false });
  expect(await screen.findByText(/you need the right to read XComs/)).toBeTruthy();
});

test("what looks the same and is not is shown with all digits", () => {
  const runs = [12.345671, 12.345712].map((rmse, place) =>
    run(String(place), { stages: { evaluate: result({ metrics: { rmse, state: 1 } }) } }),
  );
  expect(differences(PIPELINE, runs)).toEqual([
    { key: "metric rmse", name: "rmse", stage: "evaluate", values: ["12.345671", "12.345712"] },
  ]);
});

test("the runs say what ran and what became champion", async () => {
  shown(PIPELINE);
  const rows = within(await screen.findByRole("region", { name: "Runs" })).getAllByRole("row");
  expect(rows[1]?.textContent).toMatch(/^newsuccess.*2 min 5 strainflights 4$/);
  expect(rows[2]?.textContent).toMatch(/^oldsuccess.*2 min 5 snothing$/);
  expect(ran(PIPELINE, run("x"))).toBe("");
});

test("older runs are asked for", async () => {
  shown({ ...PIPELINE, total: 60 });
  fireEvent.click(await screen.findByRole("button", { name: "Older" }));
  await vi.waitFor(() => {
    expect(asked.at(-1)).toBe("/ml/api/dags/flights?limit=25&offset=25");
  });
});

test("a pipeline that never ran, and one that is broken, say so", async () => {
  shown({ ...PIPELINE, problem: "flights.yaml:3:5: unknown kind", runs: [], stages: [], total: 0 });
  expect(await screen.findByText("flights.yaml:3:5: unknown kind")).toBeTruthy();
  expect(screen.getByText("It has not run yet: trigger it in Airflow.")).toBeTruthy();
});

test("the same runs do not differ", () => {
  expect(differences(PIPELINE, [OLD, { ...OLD, run_id: "again" }])).toEqual([]);
});

test("a metric over runs, the oldest first", () => {
  expect(metricNames(PIPELINE)).toEqual(["evaluate: mae", "evaluate: rmse"]);
  expect(pointsOf(PIPELINE, "evaluate: rmse").map(({ promoted, runId, value }) => [runId, value, promoted])).toEqual([
    ["old", 12, ""],
    ["new", 10.5, "flights 4"],
  ]);
  const odd = run("odd", { partition: "2024-05", stages: { evaluate: result({ metrics: { "a: b": 1, nan: "NaN" } }) } });
  const one = { ...PIPELINE, runs: [odd] };
  expect(pointsOf(one, "evaluate: nan")).toEqual([]);
  expect(pointsOf(one, "evaluate: a: b").map(({ at, value }) => [at, value])).toEqual([["2024-05", 1]]);
});

test("the metric of the gate is shown first, else one of the evaluation, else any", () => {
  const names = metricNames(PIPELINE);
  expect(usual(PIPELINE, names)).toBe("evaluate: rmse");
  expect(usual({ ...PIPELINE, runs: [OLD] }, names)).toBe("evaluate: mae");
  expect(usual({ ...PIPELINE, stages: [] }, ["train: loss"])).toBe("train: loss");
  expect(usual(PIPELINE, [])).toBeUndefined();
});
