"""dag-factory's YAML (https://astronomer.github.io/dag-factory/) to pipelines."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from airflow_ml_provider.cli.importers.imported import Imported, identifier, without_empty

_POD = {
    "namespace": "namespace",
    "service_account_name": "service_account",
    "node_selector": "node_selector",
    "labels": "labels",
    "annotations": "annotations",
    "priority_class_name": "priority_class",
    "image_pull_policy": "pull_policy",
}
_KNOWN = {
    *_POD,
    *("operator", "dependencies", "task_id", "image", "cmds", "arguments", "env_vars", "retries", "retry_delay"),
    *("bash_command", "doc_md", "doc", "task_group_name", "name", "execution_timeout"),
}
_OF_DAG = {"description", "schedule", "schedule_interval", "tags", "default_args", "tasks", "dag_id"}


def from_dag_factory(document: Mapping[str, Any]) -> list[Imported]:
    """Return a pipeline for every DAG of the file; pods and Bash commands become stages of kind container."""
    shared = document.get("default") if isinstance(document.get("default"), dict) else {}
    arguments = (shared or {}).get("default_args") or {}
    return [
        _dag(name, {**(shared or {}), **dag, "default_args": {**arguments, **(dag.get("default_args") or {})}})
        for name, dag in document.items()
        if name != "default" and isinstance(dag, dict) and dag.get("tasks")
    ]


def _dag(name: str, dag: Mapping[str, Any]) -> Imported:
    arguments = {**(dag.get("default_args") or {})}
    imported = Imported(identifier(name), {})
    tasks = {str(task.get("task_id", key)): task for key, task in _tasks(dag["tasks"])}
    kept = {task: stage for task, given in tasks.items() if (stage := _stage(task, given, imported)) is not None}
    for task, stage in kept.items():
        needs = [identifier(other) for other in _needed(task, tasks, kept)]
        if needs:
            stage["needs"] = needs
    schedule = dag.get("schedule", dag.get("schedule_interval"))
    start = arguments.get("start_date")
    imported.value = without_empty(
        {
            "pipeline": imported.name,
            "description": dag.get("description"),
            "schedule": schedule if isinstance(schedule, str) else None,
            "start_date": str(start)[:10] if re.match(r"\d{4}-\d\d-\d\d", str(start)) else None,
            "tags": [str(tag) for tag in dag.get("tags") or ()],
            "retries": arguments.get("retries") if isinstance(arguments.get("retries"), int) else None,
            "stages": {identifier(task): stage for task, stage in kept.items()},
        }
    )
    if schedule is not None and not isinstance(schedule, str):
        imported.left_out.append(f"schedule {schedule!r}: only cron expressions and presets are taken over")
    used = {"start_date", "retries"}
    imported.left_out += [
        f"the name of task {task!r}: it is {identifier(task)!r} here" for task in kept if identifier(task) != task
    ]
    imported.left_out += [f"default_args.{key}" for key in sorted(arguments.keys() - used)]
    imported.left_out += [f"{key} of the DAG" for key in sorted(dag.keys() - _OF_DAG)]
    return imported


def _tasks(tasks: Any) -> Iterable[tuple[str, Mapping[str, Any]]]:
    if isinstance(tasks, dict):
        return [(str(key), task) for key, task in tasks.items() if isinstance(task, dict)]
    return [(str(task.get("task_id", number)), task) for number, task in enumerate(tasks) if isinstance(task, dict)]


def _stage(task: str, given: Mapping[str, Any], imported: Imported) -> dict[str, Any] | None:
    operator = str(given.get("operator", "")).rpartition(".")[2]
    if operator == "KubernetesPodOperator":
        command = [str(word) for word in (*(given.get("cmds") or ()), *(given.get("arguments") or ()))]
    elif operator in ("BashOperator", "BashDecoratedOperator") and given.get("bash_command"):
        command = ["bash", "-c", str(given["bash_command"])]
    else:
        imported.left_out.append(f"task {task!r}: there is no stage for {operator or 'a task without operator'}")
        return None
    if not command:
        imported.left_out.append(f"task {task!r}: it runs the image's own entry point; write its command")
        command = ["true"]
    variables = given.get("env_vars") if isinstance(given.get("env_vars"), dict) else {}
    pod = {ours: given[theirs] for theirs, ours in _POD.items() if given.get(theirs)}
    pod |= {"env": {str(key): str(value) for key, value in variables.items()}} if variables else {}
    delay, timeout = given.get("retry_delay"), given.get("execution_timeout")
    imported.left_out += [f"task {task!r}: {key}" for key in sorted(given.keys() - _KNOWN)]
    return without_empty(
        {
            "kind": "container",
            "image": given.get("image"),
            "command": command,
            "retries": given.get("retries"),
            "retry_delay": f"{delay}s" if isinstance(delay, int) else None,
            "timeout": f"{timeout}s" if isinstance(timeout, int) else None,
            "doc": given.get("doc_md") or given.get("doc"),
            "pod": pod,
        }
    )


def _needed(task: str, tasks: Mapping[str, Mapping[str, Any]], kept: Mapping[str, Any]) -> list[str]:
    """Return what a task waits for; in place of a task that was left out, what that one waited for."""
    found: dict[str, None] = {}
    seen: set[str] = set()

    def follow(name: str) -> None:
        for other in tasks[name].get("dependencies") or ():
            if other not in tasks or other in seen:
                continue
            seen.add(other)
            if other in kept:
                found[other] = None
            else:
                follow(other)

    follow(task)
    return list(found)
