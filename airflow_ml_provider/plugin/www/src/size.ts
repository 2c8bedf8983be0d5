const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];

/** Return a number of bytes as people read it, such as "1.5 MiB". */
export function size(bytes: number): string {
  const power = bytes < 1 ? 0 : Math.min(Math.floor(Math.log2(bytes) / 10), UNITS.length - 1);
  const value = bytes / 1024 ** power;
  return `${value < 10 && power > 0 ? value.toFixed(1) : value.toFixed(0)} ${UNITS[power] ?? ""}`;
}
