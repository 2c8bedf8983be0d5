import type { components } from "./answers";

/** Return what a gate, a check or limits said, such as "not passed: rmse is 21, < 20". */
export function verdict({ passed, reasons }: components["schemas"]["VerdictAnswer"]): string {
  return [passed ? "passed" : "not passed", reasons.join(", ")].filter(Boolean).join(": ");
}
