import { ChakraProvider, createSystem, defaultConfig } from "@chakra-ui/react";
import { act, cleanup, fireEvent, render, screen, waitFor } from "@testing-library/react";
import { MemoryRouter } from "react-router-dom";
import { afterEach, beforeEach, expect, test, vi } from "vitest";

import type { components } from "../src/answers";
import { Home } from "../src/Home";

type Answer = components["schemas"]["HomeAnswer"];

const asked: string[] = [];
let answer: () => Response;

const PIPELINE = {
  dag_id: "flights",
  name: "Flight delays",
  description: "Predicts delays",
  tags: ["ml"],
  owners: ["ada"],
  paused: false,
  schedule: "0 0 * * *",
  problem: "",
  stages: [{ task_id: "train", kind: "train" }],
  runs: [{ run_id: "r1", state: "success", run_after: "2026-11-30T11:00:00Z", stages: { train: "success" } }],
  questions: [],
  summary: { champions: [], data: [], drift: [], endpoints: [] },
};
const SAID = { at: "2026-11-30T11:00:00Z", run_id: "r1", task_id: "serve" };
const HOME: Answer = { total: 1, offset: 0, waiting: 0, tags: ["ml"], owners: ["ada"], pipelines: [PIPELINE] };

function json(found: unknown, status = 200) {
  return () => new Response(JSON.stringify(found), { status });
}

function shown(address = "/") {
  return render(
    <ChakraProvider value={createSystem(defaultConfig)}>
      <MemoryRouter initialEntries={[address]}>
        <Home />
      </MemoryRouter>
    </ChakraProvider>,
  );
}

beforeEach(() => {
  asked.length = 0;
  vi.stubGlobal("fetch", (address: string) => {
    asked.push(address);
    return Promise.resolve(answer());
  });
});

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

test("a pipeline is shown with its runs", async () => {
  answer = json(HOME);
  shown();
  await screen.findByRole("link", { name: "Flight delays" });
  expect(screen.getByRole("link", { name: "Run r1: success" }).getAttribute("href")).toBe("/plugin/ml/dags/flights/runs/r1");
  expect(asked).toEqual(["/ml/api/pipelines?limit=24"]);
});

test("what waits for an answer is said, with a link to answer it", async () => {
  const question = { run_id: "r2", task_id: "approve", map_index: -1, subject: "Shall it?", asked: "2026-11-30T11:00:00Z" };
  answer = json({ ...HOME, waiting: 1, pipelines: [{ ...PIPELINE, questions: [question] }] });
  shown();
  const link = await screen.findByRole("link", { name: "Shall it?" });
  expect(link.getAttribute("href")).toBe("/dags/flights/runs/r2/tasks/approve/required_actions");
  expect(screen.getByText("1 pipeline waits for an answer")).toBeTruthy();
});

test("a filter is asked for, and the page begins anew", async () => {
  answer = json({ ...HOME, total: 60, offset: 24 });
  shown("/?offset=24");
  await screen.findByText("25 to 48 of 60");
  fireEvent.change(screen.getByLabelText("Tag"), { target: { value: "ml" } });
  await waitFor(() => {
    expect(asked.at(-1)).toBe("/ml/api/pipelines?limit=24&tag=ml");
  });
});

test.each([
  [403, "You have no right to see pipelines: ask for the right to read DAGs, their runs and tasks."],
  [401, "Your session has ended: reload the page to log in."],
  [422, "This address asks for what cannot be: choose other filters."],
  [500, "Airflow answered with status 500: its API server's log says why."],
])("status %s is said in words", async (status, words) => {
  answer = json({}, status);
  shown();
  await screen.findByText(words);
});

test("an empty page says what to do", async () => {
  answer = json({ ...HOME, total: 0, pipelines: [] });
  shown();
  await screen.findByText(/There is no pipeline yet/);
});

test("markup in names is text", async () => {
  answer = json({ ...HOME, pipelines: [{ ...PIPELINE, name: "<img src=x onerror=alert(1)>" }] });
  const { container } = shown();
  await screen.findByRole("link", { name: "<img src=x onerror=alert(1)>" });
  expect(container.querySelector("img")).toBeNull();
});

test("a broken pipeline says what is wrong", async () => {
  answer = json({ ...HOME, pipelines: [{ ...PIPELINE, stages: [], runs: [], problem: "flights.yaml:3:5: unknown kind" }] });
  shown();
  await screen.findByText("flights.yaml:3:5: unknown kind");
  expect(screen.getByText("broken")).toBeTruthy();
});

test("a page past the end goes back to the first", async () => {
  answer = json({ ...HOME, total: 24, offset: 24, pipelines: [] });
  shown("/?offset=24");
  await waitFor(() => {
    expect(asked.at(-1)).toBe("/ml/api/pipelines?limit=24");
  });
});

test("a word that is typed is asked for once", async () => {
  answer = json(HOME);
  shown();
  await screen.findByRole("link", { name: "Flight delays" });
  const field = screen.getByLabelText("Search pipelines");
  for (const text of ["f", "fl", "fli"]) fireEvent.change(field, { target: { value: text } });
  await waitFor(() => {
    expect(asked.at(-1)).toBe("/ml/api/pipelines?limit=24&search=fli");
  });
  expect(asked.filter((address) => address.includes("search")).length).toBe(1);
});

test("a card says what its stages said last", async () => {
  const summary = {
    champions: [{ ...SAID, by: "ada", gate: ["rmse 12.1 < 20"], model: "flights", version: "3" }],
    data: [{ ...SAID, newest: "2024-06", objects: 2, task_id: "data", waiting: 4 }],
    drift: [{ ...SAID, drifted: ["delay"], raised: true, reasons: ["drifted_columns 1 < 1"], task_id: "drift" }],
    endpoints: [{ ...SAID, model: "flights", url: "", version: "3" }],
  };
  answer = json({ ...HOME, pipelines: [{ ...PIPELINE, summary }] });
  shown();
  const list = await screen.findByRole("list", { name: "What Flight delays made" });
  const lines = [...list.children].map((line) => line.textContent);
  expect(lines[0]).toMatch(/^Championflights version 3, rmse 12.1 < 20, approved by ada .* ago$/);
  expect(lines[1]).toMatch(/^Servesflights version 3 /);
  expect(lines[2]).toMatch(/^Driftdrifted_columns 1 < 1, drifted: delay /);
  expect(lines[3]).toMatch(/^Data2 objects, the newest 2024-06, 4 more wait /);
  expect(list.querySelector("a")?.getAttribute("href")).toBe("/dags/flights/runs/r1/tasks/serve");
});

test("of two quick choices both are kept", async () => {
  answer = json({ ...HOME, tags: ["ml"], owners: ["ada"] });
  shown();
  await screen.findByRole("link", { name: "Flight delays" });
  const [tag, state] = [screen.getByLabelText("Tag"), screen.getByLabelText("Last run")];
  // Before anything is rendered anew.
  act(() => {
    fireEvent.change(tag, { target: { value: "ml" } });
    fireEvent.change(state, { target: { value: "failed" } });
  });
  await waitFor(() => {
    expect(asked.at(-1)).toBe("/ml/api/pipelines?limit=24&tag=ml&state=failed");
  });
});
