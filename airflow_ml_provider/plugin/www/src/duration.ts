/** Return how long something took or takes, such as "2 min 5 s". */
export function duration(started: string, ended: string | null | undefined, now: number): string {
  const seconds = Math.max(0, ((ended ? Date.parse(ended) : now) - Date.parse(started)) / 1000);
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${seconds.toFixed(0)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${String(minutes)} min ${String(Math.floor(seconds % 60))} s`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${String(hours)} h ${String(minutes % 60)} min` : `${String(Math.floor(hours / 24))} d ${String(hours % 24)} h`;
}
