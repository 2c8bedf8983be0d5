import type { components } from "./answers";

type Question = components["schemas"]["QuestionAnswer"];

/** Return the address of a pipeline in Airflow's page. */
export function dagLink(dagId: string): string {
  return `/dags/${encodeURIComponent(dagId)}`;
}

/** Return the address of a run in Airflow's page. */
export function runLink(dagId: string, runId: string): string {
  return `${dagLink(dagId)}/runs/${encodeURIComponent(runId)}`;
}

/** Return the address of a task of a run in Airflow's page. */
export function taskLink(dagId: string, runId: string, taskId: string): string {
  return `${runLink(dagId, runId)}/tasks/${encodeURIComponent(taskId)}`;
}

/** Return where in Airflow's page a question is answered. */
export function questionLink(dagId: string, question: Question): string {
  const task = taskLink(dagId, question.run_id, question.task_id);
  const element = question.map_index < 0 ? "" : `/mapped/${String(question.map_index)}`;
  return `${task}${element}/required_actions`;
}
