import { expect, test } from "vitest";

import { ago } from "../src/ago";
import { duration } from "../src/duration";
import { dagLink, questionLink, runLink } from "../src/links";
import { number } from "../src/number";
import { label } from "../src/RunStrip";
import { size } from "../src/size";

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

test.each([
  [14.7712345, "14.771"],
  [0, "0"],
  [-3, "-3"],
  [0.00012, "1.20e-4"],
  [1234567.5, "1.23e+6"],
  [250, "250"],
  ["NaN", "NaN"],
])("the number %s is shown as %s", (value, text) => {
  expect(number(value)).toBe(text);
});

test.each([
  [0, "0 B"],
  [1023, "1023 B"],
  [1536, "1.5 KiB"],
  [20 * 1024 ** 3, "20 GiB"],
  [2 ** 60, "1048576 TiB"],
])("%s bytes are shown as %s", (bytes, text) => {
  expect(size(bytes)).toBe(text);
});

test.each([
  [4.2, "4.2 s"],
  [42, "42 s"],
  [125, "2 min 5 s"],
  [3 * 3600 + 60, "3 h 1 min"],
  [50 * 3600, "2 d 2 h"],
])("%s seconds are shown as %s", (seconds, text) => {
  const started = Date.parse("2026-11-30T11:00:00Z");
  expect(duration("2026-11-30T11:00:00Z", null, started + seconds * 1000)).toBe(text);
});
