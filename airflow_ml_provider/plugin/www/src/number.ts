/** Return a number with as many digits as people compare, such as 14.77 or 1.2e-7. */
export function number(value: number | string): string {
  if (typeof value === "string") return value;
  if (Number.isInteger(value) && Math.abs(value) < 1e9) return String(value);
  const magnitude = Math.abs(value);
  return magnitude >= 1e6 || magnitude < 1e-3 ? value.toExponential(2) : String(Number(value.toPrecision(5)));
}
