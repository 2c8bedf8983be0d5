"""The note of a stage in its serialized DAG: what a plan says of it where neither the DAG's files are nor its code."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import ref

import yaml
from airflow.sdk import XComArg
from airflow.sdk.definitions.param import DagParam
from airflow.sdk.definitions.xcom_arg import PlainXComArg

from airflow_ml_provider.artifacts.code_packing import folder_bytes
from airflow_ml_provider.artifacts.errors import StoreError
from airflow_ml_provider.errors import StageConfigurationError
from airflow_ml_provider.kinds.source import SourceStage
from airflow_ml_provider.reuse.forecast import UnknownUntilRunError
from airflow_ml_provider.reuse.stage_note import KeptFile, StageNote
from airflow_ml_provider.spec.references import Reference

if TYPE_CHECKING:
    from airflow.sdk import DAG

    from airflow_ml_provider.kinds.stage import Stage
    from airflow_ml_provider.settings import MlSettings

CODE_LIMIT_BYTES = 8 * 1024 * 1024
"""More code than this is not read each time that its DAG is parsed."""
_ELSEWHERE = {"known_files", "known_defaults", "packed_code", "only_in_pods"}


class _ReadForOneDag:
    """What was read for the DAG that is noted now: its stages mostly share their code."""

    def __init__(self) -> None:
        self._dag: Callable[[], DAG | None] = lambda: None
        self._found: dict[tuple[str, ...], Any] = {}

    def once(self, dag: DAG, key: tuple[str, ...], read: Callable[[], Any]) -> Any:
        if self._dag() is not dag:
            self._dag, self._found = ref(dag), {}
        if key not in self._found:
            self._found[key] = read()
        return self._found[key]


_READ = _ReadForOneDag()


def stage_note(operator: Any, *, settings: Callable[[], MlSettings], base_folder: str) -> StageNote:
    """Return the note of a stage.

    Args:
        operator: A ``StageOperator``, its templates as they were written.
        settings: Reads the section ``[ml]``, with what the operator says itself.
        base_folder: Where relative paths start.
    """
    ours: MlSettings = _READ.once(operator.dag, ("settings", str(operator.store), str(operator.runner)), settings)
    inputs = operator.inputs if isinstance(operator.inputs, Mapping) else {}
    command = operator.command if isinstance(operator.command, list | tuple) else ()
    said: dict[str, Any] = {
        "kind": operator.stage_class.kind,
        "runs": _shown(operator.run) if operator.run else " ".join(map(_shown, command)),
        "runner": ours.runner,
        "image": _shown(operator.image) if operator.image else "",
        "store": ours.store,
        "mlflow": str(operator.mlflow_conn_id or ""),
        "inputs": {str(name): _shown(value) for name, value in inputs.items()},
        "outputs": dict(operator.outputs),
        "cached": bool(operator.cache),
    }
    if not operator.cache:
        return StageNote(**said)
    try:
        if ours.runner == "kubernetes":
            said["image"] = said["image"] or _image(operator, ours)
        arguments = _arguments(operator, base_folder)
        stage = operator.stage_class(**{**_given(operator), "base_folder": base_folder})
        files = {path: _kept(operator.dag, stage, path, suffix) for path, suffix in stage.shipped_files().items()}
        defaults = _READ.once(operator.dag, (base_folder, str(stage.code), str(stage.run)), stage.code_defaults)
        of_dag = operator.dag.params.dump()
        own = {name: value for name, value in operator.params.dump().items() if of_dag.get(name, ...) != value}
        return StageNote(**said, arguments=arguments, files=files, defaults=defaults, params=own)
    except UnknownUntilRunError as error:
        return StageNote(**said, unknown=str(error))
    except (StageConfigurationError, StoreError, OSError) as error:
        # Where the folder lies says nothing, and is not the same for each DAG processor.
        return StageNote(**said, problem=str(error).replace(f"{base_folder}/", ""))


def _shown(value: Any) -> str:
    """Return a value for people; the same in each parse, which the ``repr`` of an object is not."""
    match value:
        case PlainXComArg():
            kind = getattr(getattr(value.operator, "stage_class", None), "kind", "")
            return value.operator.task_id if kind == SourceStage.kind else f"{value.operator.task_id}.{value.key}"
        case str() | int() | float():
            return str(value)
    return f"({type(value).__name__})"


def _given(operator: Any) -> dict[str, Any]:
    names = {each.name for each in fields(operator.stage_class)} - _ELSEWHERE
    return {name: getattr(operator, name) for name in sorted(names) if hasattr(operator, name)}


def _arguments(operator: Any, base_folder: str) -> dict[str, Any]:
    """Return the arguments that are not the stage's defaults.

    Raises:
        UnknownUntilRunError: One of them is known only in a run.
    """
    usual = {
        each.name: each.default if each.default_factory is MISSING else each.default_factory()
        for each in fields(operator.stage_class)
    }
    given = {name: _noted(value) for name, value in _given(operator).items() if value != usual[name]}
    for name, value in given.items():
        try:
            json.dumps(value, default=_is_noted)
        except TypeError as error:
            raise UnknownUntilRunError(f"its {name} holds what is not a JSON value: {error}") from error
    return {**given, "base_folder": os.path.relpath(base_folder, Path(operator.dag.fileloc).parent)}


def _is_noted(value: Any) -> str:
    if isinstance(value, Reference | timedelta):
        return ""
    raise TypeError(type(value).__name__)


def _noted(value: Any) -> Any:
    match value:
        case PlainXComArg():
            return Reference(value.operator.task_id, value.key)
        case XComArg() | DagParam():
            raise UnknownUntilRunError("it depends on a value that is computed in a run")
        case Mapping():
            return {key: _noted(item) for key, item in value.items()}
        case frozenset() | set():
            return sorted(map(_noted, value), key=repr)
        case list() | tuple():
            return [_noted(item) for item in value]
    return value


def _kept(dag: DAG, stage: Stage, path: Any, suffix: str) -> KeptFile:
    if not isinstance(path, str):
        raise UnknownUntilRunError("which files go with it is known only in a run")
    if "{{" in path or "{%" in path:
        raise UnknownUntilRunError(f"{path!r} is known only in a run")
    folder = Path(stage.path_beside(path))

    def read() -> KeptFile:
        if folder.is_dir() and folder_bytes(folder) > CODE_LIMIT_BYTES:
            raise UnknownUntilRunError(
                f"its code in {path!r} has over {CODE_LIMIT_BYTES // 1024**2} MiB, too much to be read at each parse"
            )
        content = stage.shipped(path)
        return KeptFile(digest=f"sha256:{hashlib.sha256(content).hexdigest()}", size=len(content), suffix=suffix)

    kept: KeptFile = _READ.once(dag, (str(folder), suffix), read)
    return kept


def _image(operator: Any, settings: MlSettings) -> str:
    """Return the image of a stage that names none itself, as far as that is known without the cluster's connection."""
    pods = [operator.full_pod_spec.to_dict()] if operator.full_pod_spec else []
    file = operator.pod_template_file or ("" if operator.pod_template_dict or pods else settings.pod_template)
    if file:
        try:
            pods.append(yaml.safe_load(Path(file).read_text(encoding="utf-8")))
        except (OSError, ValueError, yaml.YAMLError) as error:
            name = Path(file).name
            raise UnknownUntilRunError(f"its image is in pod template {name}, which cannot be read") from error
    elif operator.pod_template_dict:
        pods.append(operator.pod_template_dict)
    for pod in pods:
        for container in ((pod or {}).get("spec") or {}).get("containers") or []:
            if container.get("name") == operator.base_container_name and container.get("image"):
                return str(container["image"])
    return settings.image
