/** Why a route gave no answer, in words for who looks at the page. */
export class AskError extends Error {}

// With these our routes say themselves what is wrong.
const OURS = [404, 429, 503, 504];

/** Return where Airflow's page is mounted, without a slash at the end; plugins know it by the page's base element. */
export function base(): string {
  return new URL(document.baseURI).pathname.replace(/\/$/, "");
}

/**
 * Return the JSON that one of our routes answers.
 *
 * @throws AskError when it answers something else, or nothing.
 */
export async function ask<Answer>(path: string, signal: AbortSignal): Promise<Answer> {
  let response: Response;
  try {
    response = await fetch(`${base()}/ml/api/${path}`, { credentials: "same-origin", signal });
  } catch {
    throw new AskError("Airflow's API server does not answer.");
  }
  if (!response.ok) throw new AskError(OURS.includes(response.status) ? await detail(response) : said(response.status));
  try {
    return (await response.json()) as Answer;
  } catch {
    throw new AskError("What answers is not Airflow's API server: reload the page, your session may have ended.");
  }
}

async function detail(response: Response): Promise<string> {
  const answer: unknown = await response.json().catch(() => undefined);
  const told = typeof answer === "object" && answer !== null && "detail" in answer ? answer.detail : undefined;
  return typeof told === "string" ? told : said(response.status);
}

function said(status: number): string {
  if (status === 401) return "Your session has ended: reload the page to log in.";
  if (status === 403) return "You have no right to see pipelines: ask for the right to read DAGs, their runs and tasks.";
  if (status === 422) return "This address asks for what cannot be: choose other filters.";
  return `Airflow answered with status ${String(status)}: its API server's log says why.`;
}
