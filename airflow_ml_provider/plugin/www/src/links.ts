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

/** Return the address of a task of a run in Airflow's page, of one of its elements where it is mapped. */
export function taskLink(dagId: string, runId: string, taskId: string, mapIndex = -1): string {
  const element = mapIndex < 0 ? "" : `/mapped/${String(mapIndex)}`;
  return `${runLink(dagId, runId)}/tasks/${encodeURIComponent(taskId)}${element}`;
}

/** Return the address of the page of all pipelines. */
export function pipelinesLink(): string {
  return "/plugin/ml";
}

/** Return the address of a pipeline in this page. */
export function pipelineLink(dagId: string): string {
  return `/plugin/ml/dags/${encodeURIComponent(dagId)}`;
}

/** Return the address of a run in this page. */
export function runPageLink(dagId: string, runId: string): string {
  return `${pipelineLink(dagId)}/runs/${encodeURIComponent(runId)}`;
}

/** Return where in Airflow's page a question is answered. */
export function questionLink(dagId: string, question: Question): string {
  return `${taskLink(dagId, question.run_id, question.task_id, question.map_index)}/required_actions`;
}
