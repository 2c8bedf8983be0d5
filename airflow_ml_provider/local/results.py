"""What the stages of a pipeline put out in the last local run, so that one of them can run alone."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from airflow_ml_provider.errors import StageConfigurationError

_RUN, _NOTES = "_run", "_notes-"
"""Not stages' names, which begin with a letter."""


@dataclass(frozen=True)
class LastRun:
    """The last run of a pipeline in a folder.

    Attributes:
        run_id: Its id.
        date: Its date, ISO 8601.
        environment: Whose changes it took.
        patch: What it changed in the pipeline, a JSON Merge Patch.
        states: The state of each of its stages and sources, by name.
    """

    run_id: str
    date: str
    environment: str | None
    patch: Mapping[str, Any]
    states: Mapping[str, str]


class LocalResults:
    """Results by stage, a file each.

    Args:
        home: The folder of local runs.
        pipeline: The pipeline's name.
    """

    def __init__(self, home: Path, pipeline: str) -> None:
        self._folder = home / "results" / pipeline

    def keep(self, stage: str, result: Mapping[str, Any]) -> None:
        """Keep the outputs and values of a stage, by name; a reader sees the old ones or the new ones."""
        self._write(stage, dict(result))

    def of(self, stage: str) -> dict[str, Any]:
        """Return what a stage put out, empty when it never ran here."""
        return self._read(stage) or {}

    def keep_run(self, run: LastRun) -> None:
        """Keep how far a run has come."""
        self._write(_RUN, asdict(run))

    def begin_run(self, run: LastRun) -> None:
        """Keep that a run begins: what stages noted in the one before is gone."""
        for path in self._folder.glob(f"{_NOTES}*.json"):
            path.unlink(missing_ok=True)
        self.keep_run(run)

    def keep_notes(self, stage: str, notes: Mapping[str, Any]) -> None:
        """Keep what a stage notes between its tries."""
        self._write(f"{_NOTES}{stage}", notes)

    def notes(self, stage: str) -> dict[str, Any]:
        """Return what a stage noted in the last run."""
        return self._read(f"{_NOTES}{stage}") or {}

    def last_run(self) -> LastRun | None:
        """Return how far the last run has come, ``None`` when there was none."""
        found = self._read(_RUN)
        try:
            return None if found is None else LastRun(**found)
        except TypeError as error:
            raise self._unreadable(_RUN) from error

    def _write(self, name: str, content: Mapping[str, Any]) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        part = self._folder / f".{name}.{os.getpid()}"
        part.write_text(json.dumps(content), encoding="utf-8")
        part.replace(self._folder / f"{name}.json")

    def _read(self, name: str) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = json.loads((self._folder / f"{name}.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise self._unreadable(name) from error
        if not isinstance(found, dict):
            raise self._unreadable(name)
        return found

    def _unreadable(self, name: str) -> StageConfigurationError:
        return StageConfigurationError(
            f"{self._folder / name}.json does not say what a run left there: remove it, and run the pipeline anew"
        )
