import { expect, test } from "vitest";

import { ago } from "../src/ago";
import { dagLink, questionLink, runLink } from "../src/links";
import { label } from "../src/RunStrip";

const NOW = Date.parse("2026-11-30T12:00:00Z");

test.each([
  ["2026-11-30T11:59:20Z", "40 seconds ago"],
  ["2026-11-30T11:00:00Z", "1 hour ago"],
  ["2026-11-27T12:00:00Z", "3 days ago"],
  ["2026-11-30T12:05:00Z", "in 5 minutes"],
])("%s is %s", (time, words) => {
  expect(ago(time, NOW)).toBe(words);
});

test("names are one part of an address, whatever they hold", () => {
  expect(dagLink("a/../b?c")).toBe("/dags/a%2F..%2Fb%3Fc");
  expect(runLink("a", "manual__2026-11-30T12:00:00+00:00")).toBe("/dags/a/runs/manual__2026-11-30T12%3A00%3A00%2B00%3A00");
});

test("a question of a mapped task is answered at its element", () => {
  const question = { run_id: "r", task_id: "group.approve", map_index: -1, subject: "?", asked: "" };
  expect(questionLink("d", question)).toBe("/dags/d/runs/r/tasks/group.approve/required_actions");
  expect(questionLink("d", { ...question, map_index: 2 })).toBe(
    "/dags/d/runs/r/tasks/group.approve/mapped/2/required_actions",
  );
});

test("a run in words says what is not as the run is", () => {
  const stages = ["ingest", "train", "serve"].map((task_id) => ({ task_id, kind: "container" }));
  const run = { run_id: "r", state: "failed", run_after: "", stages: { ingest: "success", train: "failed" } };
  const pipeline = { stages } as Parameters<typeof label>[0];
  expect(label(pipeline, run)).toBe("Run r: failed, ingest success, serve no state");
});
