"""What a run in Airflow would do, stage by stage, from what its serialized DAG notes; nothing is written."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from airflow_ml_provider.artifacts.errors import StoreError
from airflow_ml_provider.configuration import ml_settings
from airflow_ml_provider.errors import MlError, StageConfigurationError
from airflow_ml_provider.kind_registry import BUILT_IN
from airflow_ml_provider.kinds.lookup import stage_class
from airflow_ml_provider.kinds.source import SourceStage
from airflow_ml_provider.kinds.stage import Stage
from airflow_ml_provider.local.forecast import Planning
from airflow_ml_provider.local.tasks import LocalTask
from airflow_ml_provider.reuse.forecast import StageForecast
from airflow_ml_provider.reuse.stage_note import StageNote
from airflow_ml_provider.spec.order import upstream_first
from airflow_ml_provider.tasks.noted_stage import NOTE
from airflow_ml_provider.tasks.run_context import AirflowConnections


@dataclass(frozen=True, kw_only=True)
class NotedPipeline:
    """What a plan reads of a DAG.

    Attributes:
        pipeline: Its id.
        params: The params' defaults.
        notes: The notes of its stages, in the order of a run.
        after: The stages that end before each begins.
    """

    pipeline: str
    params: Mapping[str, Any]
    notes: Mapping[str, StageNote]
    after: Mapping[str, tuple[str, ...]]

    def to_json(self) -> str:
        """Return it as JSON."""
        return json.dumps({**asdict(self), "notes": {name: note.to_plain() for name, note in self.notes.items()}})

    @classmethod
    def from_json(cls, text: str) -> NotedPipeline:
        """Return what :meth:`to_json` gave."""
        plain = json.loads(text)
        notes = {name: StageNote.from_plain(note) for name, note in plain["notes"].items()}
        after = {name: tuple(found) for name, found in plain["after"].items()}
        return cls(**{**plain, "notes": notes, "after": after})

    @classmethod
    def of(cls, dag: Any, *, params: Mapping[str, Any]) -> NotedPipeline:
        """Return what is noted in a DAG, one of the SDK or one that was serialized.

        Args:
            dag: The DAG.
            params: Its params' defaults.
        """
        folder = Path(dag.fileloc).parent
        noted = {task.task_id: _placed(note, folder) for task in dag.tasks if (note := _note(task)) is not None}
        after = {name: tuple(sorted(noted.keys() & dag.get_task(name).upstream_task_ids)) for name in noted}
        notes = {name: noted[name] for name in upstream_first(after)}
        return cls(pipeline=dag.dag_id, params=params, notes=notes, after=after)


def _note(task: Any) -> StageNote | None:
    """Return the note of a task, ``None`` of one that is not a stage."""
    if text := getattr(task, NOTE, None):
        note = StageNote.from_plain(json.loads(text))
        # What a run is given of a source is not a stage of its pipeline.
        return None if note.kind == SourceStage.kind else note
    if not getattr(task, "is_mapped", False):
        return None
    name = str(task.task_type).removeprefix("Decorated")
    kinds = [kind for kind, found in BUILT_IN.items() if found.operator.endswith(f":{name}")]
    ours = str(task._task_module).startswith(("airflow_ml_provider.operators.", "airflow_ml_provider.decorators."))
    if not (kinds and ours):
        return None
    return StageNote(kind=kinds[0], cached=True, unknown="it is mapped: its elements are known only in a run")


def _placed(note: StageNote, folder: Path) -> StageNote:
    """Return a note whose paths start where the DAG's file lies."""
    if "base_folder" not in note.arguments:
        return note
    there = os.path.normpath(folder / note.arguments["base_folder"])
    return replace(note, arguments={**note.arguments, "base_folder": there})


def forecast(pipeline: NotedPipeline) -> dict[str, StageForecast]:
    """Return what would become of each stage.

    Raises:
        StoreAwayError: The artifact store did not answer.
    """
    tasks = {name: _task(name, note, pipeline.after[name]) for name, note in pipeline.notes.items()}
    planning = Planning(pipeline.pipeline, tasks, pipeline.params, AirflowConnections())
    return {name: _stage(name, note, planning) for name, note in pipeline.notes.items()}


def plan(pipeline: NotedPipeline) -> dict[str, Any]:
    """Return what ``airflow-ml plan --airflow --json`` prints.

    Raises:
        StoreAwayError: The artifact store did not answer.
    """
    forecasts = forecast(pipeline) if any(note.cached for note in pipeline.notes.values()) else {}
    stages = [
        {
            "stage": name,
            "kind": note.kind,
            "runs": note.runs or ("built in" if note.kind in BUILT_IN else "its package's"),
            "runner": note.runner,
            "image": note.image,
            "after": sorted(pipeline.after[name]),
            "inputs": dict(note.inputs),
            "outputs": dict(note.outputs),
            **({"cache": asdict(forecasts[name])} if forecasts else {}),
        }
        for name, note in pipeline.notes.items()
    ]
    return {"pipeline": pipeline.pipeline, "stages": stages}


def _task(name: str, note: StageNote, after: tuple[str, ...]) -> LocalTask:
    try:
        # Of a kind that its operator alone knows, it is a stage like any other.
        kind = Stage if note.kind == Stage.kind else stage_class(note.kind)
    except StageConfigurationError:
        kind = None
    files = {path: found.ref(note.store) for path, found in note.files.items()}
    arguments = {"task_id": name, "known_files": files, "known_defaults": note.defaults, **note.arguments}
    return LocalTask(name=name, stage=kind, arguments=arguments, upstream=after, outputs=tuple(note.outputs))


def _stage(name: str, note: StageNote, planning: Planning) -> StageForecast:
    if note.cached and not planning.knows(name):
        return StageForecast("unknown", f"no package that is installed here brings the kind {note.kind!r}")
    if note.cached and note.unknown:
        return StageForecast("unknown", note.unknown)
    if note.cached and note.problem:
        return StageForecast("runs", f"and would fail: {note.problem}")
    settings = replace(ml_settings(), store=note.store, runner=note.runner)
    return planning.of(name, settings, image=note.image if note.runner == "kubernetes" else "", own=note.params)


def main() -> None:
    """Print the plan of the pipeline that standard input describes, or why its store did not tell."""
    pipeline = NotedPipeline.from_json(sys.stdin.read())
    try:
        answer = plan(pipeline)
    except (StoreError, MlError) as error:
        answer = {"unavailable": str(error)}
    sys.stdout.write(json.dumps(answer))
