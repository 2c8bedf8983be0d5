"""Kubeflow Pipelines' compiled YAML, IR version 2, to a pipeline.

https://www.kubeflow.org/docs/components/pipelines/user-guides/core-functions/compile-a-pipeline/
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from airflow_ml_provider.cli.importers.imported import Imported, identifier, without_empty

_TYPES = {
    "system.Dataset": "dataset",
    "system.Model": "model",
    "system.Metrics": "metrics",
    "system.ClassificationMetrics": "metrics",
    "system.HTML": "report",
    "system.Markdown": "report",
}
_FUNCTION = "--function_to_execute"


def is_kubeflow(document: Mapping[str, Any]) -> bool:
    """Whether a document is a compiled pipeline."""
    return "pipelineInfo" in document and "root" in document


def from_kubeflow(document: Mapping[str, Any]) -> Imported:
    """Return the pipeline; the source of Python components becomes code of the pipeline."""
    name = identifier(str((document.get("pipelineInfo") or {}).get("name", "imported")))
    imported = Imported(name, {})
    tasks: dict[str, Any] = document["root"].get("dag", {}).get("tasks", {})
    stages = {}
    for key, task in tasks.items():
        stage = _stage(key, task, document, imported)
        if stage is not None:
            stages[identifier(key)] = stage
    inputs = document["root"].get("inputDefinitions", {}).get("parameters", {})
    imported.value = without_empty(
        {
            "pipeline": name,
            "description": (document["pipelineInfo"].get("description") or "").partition("\n")[0],
            "code": "./steps" if imported.files else None,
            "params": {identifier(key): _default(given) for key, given in inputs.items()},
            "stages": stages,
        }
    )
    if imported.files:
        imported.left_out.append(
            "kfp's types in the code under steps/: arguments such as Input[Dataset] and Output[Model] are pathlib.Path "
            "here (x.path becomes x), and metrics are what a function returns"
        )
    return imported


def _default(given: Mapping[str, Any]) -> Any:
    value = given.get("defaultValue")
    return int(value) if given.get("parameterType") == "NUMBER_INTEGER" and value is not None else value


def _stage(key: str, task: Mapping[str, Any], document: Mapping[str, Any], imported: Imported) -> dict[str, Any] | None:
    component = document.get("components", {}).get(task.get("componentRef", {}).get("name"), {})
    executor = document.get("deploymentSpec", {}).get("executors", {}).get(component.get("executorLabel"), {})
    container = executor.get("container")
    if container is None:
        what = "a nested pipeline or loop" if "dag" in component else "an importer or another built-in component"
        imported.left_out.append(f"task {key!r}: {what}")
        return None
    if "triggerPolicy" in task:
        imported.left_out.append(f"task {key!r}: its condition {task['triggerPolicy'].get('condition', '')!r}")
    action = _action(key, container, imported)
    outputs = {
        identifier(name): _TYPES.get(given.get("artifactType", {}).get("schemaTitle"), "file")
        for name, given in component.get("outputDefinitions", {}).get("artifacts", {}).items()
    }
    for name in component.get("outputDefinitions", {}).get("parameters", {}):
        imported.left_out.append(
            f"task {key!r}: the output parameter {name!r}; return metrics, or write an output file"
        )
    for name in [name for name, kind in outputs.items() if kind == "metrics"]:
        del outputs[name]
        imported.left_out.append(f"task {key!r}: the metrics {name!r}; return them as a mapping")
    inputs = {}
    for name, given in task.get("inputs", {}).get("artifacts", {}).items():
        source = given.get("taskOutputArtifact")
        if source:
            inputs[identifier(name)] = f"{identifier(source['producerTask'])}.{identifier(source['outputArtifactKey'])}"
        else:
            imported.left_out.append(
                f"task {key!r}: the input {name!r} from outside; read it with a stage of kind ingest"
            )
    params = _params(key, task, component, imported)
    resources = container.get("resources", {})
    read = {reference.partition(".")[0] for reference in inputs.values()}
    return without_empty(
        {
            "kind": "train" if list(outputs.values()) == ["model"] else "container",
            "image": container.get("image"),
            **action,
            "inputs": inputs,
            "outputs": outputs,
            "params": params,
            "needs": [found for other in task.get("dependentTasks", ()) if (found := identifier(other)) not in read],
            "resources": without_empty(
                {
                    "cpu": resources.get("resourceCpuRequest") or resources.get("cpuRequest"),
                    "memory": resources.get("resourceMemoryRequest"),
                    "gpu": resources.get("accelerator", {}).get("resourceCount"),
                }
            ),
            "doc": task.get("taskInfo", {}).get("name"),
        }
    )


def _action(key: str, container: Mapping[str, Any], imported: Imported) -> dict[str, Any]:
    """Return what a container runs: the function of a Python component, whose source is taken over, or a command."""
    command, arguments = [list(map(str, container.get(part) or ())) for part in ("command", "args")]
    if _FUNCTION in arguments:
        function = arguments[arguments.index(_FUNCTION) + 1]
        source = next((word for word in command if f"def {function}(" in word), None)
        if source is not None:
            imported.files[f"steps/{identifier(function)}.py"] = _plain(source)
            packages = re.findall(r"'([^']+)'", next((word for word in command if "pip install" in word), ""))
            wanted = [package for package in packages if not package.startswith(("kfp", "-", "typing-extensions"))]
            if wanted:
                imported.left_out.append(
                    f"task {key!r}: it installs {', '.join(wanted)} at its start; put it in the image"
                )
            return {"run": f"steps.{identifier(function)}:{function}"}
    words = [*command, *arguments]
    if any("{{$" in word for word in words):
        imported.left_out.append(
            f"task {key!r}: placeholders {{{{$...}}}} in its command; paths are in AIRFLOW_ML_INPUT_<NAME> and "
            f"AIRFLOW_ML_OUTPUT_<NAME>, params in AIRFLOW_ML_PARAMS"
        )
    return {"command": words or ["true"]}


def _plain(source: str) -> str:
    """Return a component's source with paths in place of kfp's artifacts, and without its imports of kfp."""
    artifacts = re.findall(r"(\w+): *(?:Input|Output)\[", source)
    lines = [
        line
        for line in source.strip().splitlines()
        if not re.match(r"(import kfp|from kfp|from typing import \*)", line)
    ]
    text = re.sub(r"\b(?:Input|Output)\[[^\]]*\]", "Path", "\n".join(lines))
    for name in artifacts:
        text = re.sub(rf"\b{name}\.path\b", name, text)
    return f"from pathlib import Path\n\n{text.strip()}\n"


def _params(key: str, task: Mapping[str, Any], component: Mapping[str, Any], imported: Imported) -> dict[str, Any]:
    known = component.get("inputDefinitions", {}).get("parameters", {})
    types = {name: given.get("parameterType") for name, given in known.items()}
    params: dict[str, Any] = {}
    for name, given in task.get("inputs", {}).get("parameters", {}).items():
        if "runtimeValue" in given:
            value = given["runtimeValue"].get("constant")
            params[identifier(name)] = int(value) if types.get(name) == "NUMBER_INTEGER" else value
        elif "componentInputParameter" in given:
            params[identifier(name)] = f"{{{{ params.{identifier(given['componentInputParameter'])} }}}}"
        else:
            imported.left_out.append(f"task {key!r}: the param {name!r} from another task's output")
    return params
