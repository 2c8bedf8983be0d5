"""Mixin before an operator that is a stage: the serialized DAG holds a note of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator as _Base

    from airflow_ml_provider.reuse.stage_note import StageNote
else:
    _Base = object

NOTE = "ml_stage"
"""The field of a serialized task that holds the note."""


class NotedStage(_Base):
    """Adds the note to what is serialized; it is made where a DAG is serialized, not where its tasks run."""

    @classmethod
    def get_serialized_fields(cls) -> Any:
        """Return what is serialized of a task."""
        return super().get_serialized_fields() | {NOTE}  # type: ignore[no-untyped-call]

    @property
    def ml_stage(self) -> str:
        """The note, as JSON."""
        try:
            return _as_json(self.stage_note())
        except Exception as error:  # noqa: BLE001 - whatever is odd about a stage, Airflow is to take its DAG
            from airflow_ml_provider.reuse.stage_note import StageNote

            kind = getattr(getattr(self, "stage_class", None), "kind", "stage")
            why = f"it cannot be noted where its DAG is parsed ({type(error).__name__})"
            return _as_json(StageNote(kind=kind, cached=bool(getattr(self, "cache", False)), unknown=why))

    def stage_note(self) -> StageNote:
        """Return what a plan says of the stage where its DAG's files are not."""
        raise AssertionError(f"{type(self).__name__} has no note")


def _as_json(note: StageNote) -> str:
    return json.dumps(note.to_plain(), sort_keys=True, separators=(",", ":"))
