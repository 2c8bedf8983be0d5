import { ChakraProvider, createSystem, defaultConfig } from "@chakra-ui/react";
import { cleanup, fireEvent, render, screen, within } from "@testing-library/react";
import { MemoryRouter } from "react-router-dom";
import { afterEach, beforeEach, expect, test, vi } from "vitest";

import type { components } from "../src/answers";

import { mostInteresting, RunView } from "../src/run/RunView";
import { layout } from "../src/StageGraph";

type Run = components["schemas"]["RunPageAnswer"];
type Stage = Run["stages"][number];
type Instance = Stage["instances"][number];

const INSTANCE: Instance = {
  ended: "2026-11-30T11:02:05Z",
  failure: null,
  has_curves: false,
  links: [],
  map_index: -1,
  metrics: {},
  outputs: [],
  reuse: null,
  said: {},
  started: "2026-11-30T11:00:00Z",
  state: "success",
  try_number: 1,
  verdicts: [],
};

function stage(task: string, given: Partial<Stage> = {}, instance: Partial<Instance> = {}): Stage {
  const instances = [{ ...INSTANCE, ...instance }];
  return { count: 1, inputs: {}, instances, kind: "train", state: "success", task_id: task, upstream: [], ...given };
}

function run(given: Partial<Run> = {}): Run {
  return {
    by: "ada",
    dag_id: "flights",
    earlier: "r0",
    ended: "2026-11-30T11:02:05Z",
    later: "",
    name: "Flight delays",
    partition: "",
    problem: "",
    questions: [],
    run_after: "2026-11-30T11:00:00Z",
    run_id: "r1",
    run_type: "manual",
    stages: [stage("prepare"), stage("train", { inputs: { data: "prepare.out" }, upstream: ["prepare"] })],
    started: "2026-11-30T11:00:00Z",
    state: "success",
    ...given,
  };
}

let answers: Record<string, () => Response>;

function json(found: unknown, status = 200) {
  return () => new Response(JSON.stringify(found), { status });
}

function shown(answer: Run, isTab = false) {
  answers = { "/ml/api/dags/flights/runs/r1": json(answer), ...answers };
  render(
    <ChakraProvider value={createSystem(defaultConfig)}>
      <MemoryRouter>
        <RunView dagId="flights" isTab={isTab} runId="r1" />
      </MemoryRouter>
    </ChakraProvider>,
  );
}

beforeEach(() => {
  answers = {};
  vi.stubGlobal(
    "ResizeObserver",
    class {
      disconnect = vi.fn();
      observe = vi.fn();
      unobserve = vi.fn();
    },
  );
  vi.stubGlobal("fetch", (address: string) => Promise.resolve((answers[address] ?? json({ detail: "no" }, 404))()));
});

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

test("a run says how long it took, who began it and what came before", async () => {
  shown(run());
  await screen.findByRole("heading", { name: "r1" });
  expect(screen.getByText(/took 2 min 5 s · manual by ada/)).toBeTruthy();
  expect(screen.getByRole("link", { name: "Run before" }).getAttribute("href")).toBe("/plugin/ml/dags/flights/runs/r0");
  expect(screen.queryByRole("link", { name: "Run after" })).toBeNull();
  const panel = screen.getByRole("region", { name: "Stage train" });
  expect(within(panel).getByText("prepare.out")).toBeTruthy();
});

test("a tab leaves the run's name to Airflow", async () => {
  shown(run(), true);
  await screen.findByRole("region", { name: "Stage train" });
  expect(screen.queryByRole("heading", { name: "r1" })).toBeNull();
});

test("what a stage said is shown as text", async () => {
  const digest = `sha256:${"0123456789ab".padEnd(64, "0")}`;
  const output = { digest, name: "model", size: 1_572_864, type: "model", uri: "s3://b/<b>x" };
  const said = stage("train", {}, {
    links: [{ name: "MLflow run", url: "http://mlflow/#/runs/1" }],
    metrics: { "<img src=x onerror=alert(1)>": 14.7712345, odd: "NaN" },
    outputs: [output],
    reuse: { reason: "the same work as in r0", reused: true },
    said: { Model: "flights version 3, champion" },
    try_number: 2,
    verdicts: [{ name: "gate", passed: false, reasons: ["rmse 21 < 20"] }],
  });
  shown(run({ stages: [said] }));
  const panel = await screen.findByRole("region", { name: "Stage train" });
  expect(panel.querySelector("img, b")).toBeNull();
  for (const text of [
    "took 2 min 5 s, try 2",
    "the same work as in r0",
    "not passed: rmse 21 < 20",
    "flights version 3, champion",
    "<img src=x onerror=alert(1)>",
    "14.771",
    "NaN",
    "1.5 MiB",
    "0123456789ab",
    "s3://b/<b>x",
  ]) {
    expect(within(panel).getByText(text)).toBeTruthy();
  }
  expect(within(panel).getByRole("link", { name: "MLflow run" }).getAttribute("rel")).toBe("noreferrer");
});

test("a failure comes first, and says why", async () => {
  const failure = { error: "StageOutOfMemoryError", message: "the pod used more than 1Gi" };
  shown(run({ stages: [stage("a", { state: "failed" }, { failure, state: "failed" }), stage("b")] }));
  const alert = await screen.findByRole("alert");
  expect(alert.textContent).toBe("StageOutOfMemoryErrorthe pod used more than 1Gi");
});

test("the element of a mapped stage is chosen", async () => {
  const instances = [
    { ...INSTANCE, map_index: 3, metrics: { loss: 3 }, state: "failed" },
    { ...INSTANCE, map_index: 0, metrics: { loss: 4 } },
  ];
  shown(run({ stages: [stage("train", { count: 99, instances })] }));
  const choice = await screen.findByLabelText("Element");
  expect([...choice.querySelectorAll("option")].map((option) => option.textContent)).toEqual([
    "element 3: failed",
    "element 0: success",
    "97 more in Airflow",
  ]);
  expect(screen.getByRole("row", { name: "loss 3" })).toBeTruthy();
  fireEvent.change(choice, { target: { value: "0" } });
  expect(screen.getByRole("row", { name: "loss 4" })).toBeTruthy();
  expect(screen.getByRole("link", { name: "Task and log" }).getAttribute("href")).toBe(
    "/dags/flights/runs/r1/tasks/train/mapped/0",
  );
});

test("an MLflow that is away leaves the rest", async () => {
  answers["/ml/api/dags/flights/runs/r1/stages/train/curves?map_index=-1"] = json({ detail: "MLflow is away" }, 503);
  shown(run({ stages: [stage("train", {}, { has_curves: true, metrics: { loss: 3 } })] }));
  expect(await screen.findByText("MLflow: MLflow is away")).toBeTruthy();
  expect(screen.getByRole("row", { name: "loss 3" })).toBeTruthy();
});

test("params of MLflow are shown", async () => {
  const found = { curves: [], left_out: 0, params: { max_depth: "6", rate: "0.1" } };
  answers["/ml/api/dags/flights/runs/r1/stages/train/curves?map_index=-1"] = json(found);
  shown(run({ stages: [stage("train", {}, { has_curves: true })] }));
  expect(await screen.findByText("max_depth=6 rate=0.1")).toBeTruthy();
});

test.each([
  [{ stages: [] }, "This DAG has no stage of this provider: Airflow's own tabs show its tasks."],
  [{ problem: "flights.yaml:3:5: unknown kind", stages: [] }, "flights.yaml:3:5: unknown kind"],
])("a DAG without stages says why", async (given, said) => {
  shown(run(given));
  expect((await screen.findByRole("status")).textContent).toBe(said);
});

test("a run that is not there is said in words", async () => {
  answers = { "/ml/api/dags/flights/runs/r1": json({ detail: "DAG 'flights' has no run 'r1'" }, 404) };
  shown(run());
  expect((await screen.findByRole("alert")).textContent).toBe("DAG 'flights' has no run 'r1'");
});

test.each([
  [["success", "failed", "running"], 1],
  [["success", "running", ""], 1],
  [["success", "awaiting_input"], 1],
  [["success", "success"], 1],
  [["", ""], 0],
] as const)("of stages %j, number %i is shown first", (states, wanted) => {
  const stages = states.map((state, place) => stage(String(place), { state }));
  expect(mostInteresting(run({ stages }))?.task_id).toBe(String(wanted));
});

test("a stage is drawn at the right of those before it, with what goes along", () => {
  const { edges, places } = layout([
    ["b", ["a"], { data: "a.out", more: "a.other", odd: "ab.out" }],
    ["a", [], {}],
  ]);
  expect(places.a?.x).toBeLessThan(places.b?.x ?? 0);
  expect(edges.map(({ label, source, target }) => [source, target, label])).toEqual([["a", "b", "out, other"]]);
});
