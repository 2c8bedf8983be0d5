import { act, cleanup, render, screen } from "@testing-library/react";
import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { usePolled } from "../src/polled";

const times: number[] = [];
let answer: () => Promise<Response>;
let hidden: boolean;

function Page({ path }: { readonly path: string }) {
  const { answer: found, error } = usePolled<{ number: number }>(path);
  return <p>{`${String(found?.number)} ${error?.message ?? "well"}`}</p>;
}

function number(found: number) {
  return () => Promise.resolve(new Response(JSON.stringify({ number: found })));
}

async function pass(seconds: number) {
  await act(() => vi.advanceTimersByTimeAsync(seconds * 1000));
}

async function setHidden(value: boolean) {
  hidden = value;
  document.dispatchEvent(new Event("visibilitychange"));
  await pass(0);
}

beforeEach(() => {
  vi.useFakeTimers({ now: 0 });
  times.length = 0;
  hidden = false;
  vi.spyOn(document, "hidden", "get").mockImplementation(() => hidden);
  vi.stubGlobal("fetch", () => {
    times.push(Date.now() / 1000);
    return answer();
  });
});

afterEach(() => {
  cleanup();
  vi.useRealTimers();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

test("it asks ever more rarely while answers stay the same, and at first again when one changes", async () => {
  answer = number(1);
  render(<Page path="a" />);
  await pass(300);
  expect(times.slice(0, 4)).toEqual([0, 5, 12.5, 23.75]);
  expect(Math.max(...times.slice(1).map((time, index) => time - (times[index] ?? 0)))).toBeLessThanOrEqual(60);
  answer = number(2);
  await pass(60);
  const seen = times.length;
  await pass(5);
  expect(times.length).toBeGreaterThan(seen);
  expect(screen.getByText("2 well")).toBeTruthy();
});

test.each([
  ["Airflow's API server does not answer.", () => Promise.reject(new TypeError("cut"))],
  [/^undefined What answers is not Airflow's API server/, () => Promise.resolve(new Response("<html>log in</html>"))],
])("trouble is said, and ends with the next answer: %s", async (words, trouble) => {
  answer = trouble;
  render(<Page path="a" />);
  await pass(0);
  expect(screen.getByText(words, { exact: false })).toBeTruthy();
  answer = number(3);
  await pass(10);
  expect(screen.getByText("3 well")).toBeTruthy();
});

test("nobody is asked while nobody sees the page", async () => {
  answer = number(1);
  hidden = true;
  render(<Page path="a" />);
  await pass(100);
  expect(times).toEqual([]);
  await setHidden(false);
  expect(times).toEqual([100]);
  await setHidden(true);
  await pass(100);
  expect(times).toEqual([100]);
});

test("a page that is seen again while it waits for an answer asks once", async () => {
  let give: (response: Response) => void = () => undefined;
  answer = () =>
    new Promise((resolve) => {
      give = resolve;
    });
  render(<Page path="a" />);
  await pass(1);
  for (const value of [true, false, true, false]) await setHidden(value);
  expect(times).toEqual([0]);
  answer = number(1);
  give(new Response(JSON.stringify({ number: 0 })));
  await pass(5);
  expect(times).toEqual([0, 6]);
});

test("an answer to what is asked no more is not shown", async () => {
  const gives: ((response: Response) => void)[] = [];
  answer = () =>
    new Promise((resolve) => {
      gives.push(resolve);
    });
  const { rerender } = render(<Page path="a" />);
  rerender(<Page path="b" />);
  gives[1]?.(new Response(JSON.stringify({ number: 2 })));
  await pass(0);
  gives[0]?.(new Response(JSON.stringify({ number: 1 })));
  await pass(0);
  expect(screen.getByText("2 well")).toBeTruthy();
});
