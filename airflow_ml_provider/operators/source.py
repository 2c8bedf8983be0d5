"""New data of a source, each version to one run."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import Asset

from airflow_ml_provider.decisions.data.settling import Settling, settling_of
from airflow_ml_provider.deprecation import renamed
from airflow_ml_provider.errors import StageConfigurationError
from airflow_ml_provider.kinds.source import SourceStage
from airflow_ml_provider.kinds.stage import Stage
from airflow_ml_provider.operators.stage import StageOperator
from airflow_ml_provider.sources.origins import AssetEvents, Files, Origin

DEFAULT_SETTLE = timedelta(minutes=1)
DEFAULT_MAX_OBJECTS = 10_000

if TYPE_CHECKING:
    from airflow.sdk import Context


class SourceOperator(StageOperator):
    """Claims what is new in a source for this run and copies it into the store.

    The outputs are the dataset ``data`` and the file ``manifest``, JSON lines of what this run was given; the XCom
    ``claim`` says how much, how old and of which partition. When nothing is new the task is skipped, and all that
    follows it. A CommitOperator ends the claim; until it does, and unless the claim is released, no other run gets
    what this one was given.

    Of partitioned sources a run gets one partition: the one of its partition key, else the first by name that has
    something new and that no other run has.

    Args:
        source: The source's name, under which its claims are kept.
        origin: Where its objects come from: Files, SqlRows, ModelVersions or AssetEvents; a text is the URI of Files,
            or a path relative to the DAG's file, with ``*`` and ``**``.
        settle: When an object is written to its end: how long it must not have been written, Marked or Unchanged.
        max_objects: The most objects of one run.
        exclusive: Whether objects are claimed; without, runs are given what others were given too, as on a laptop.
    """

    stage_class: ClassVar[type[Stage]] = SourceStage

    def __init__(
        self,
        *,
        source: str,
        origin: Origin | str | None = None,
        of: Origin | str | None = None,
        settle: timedelta | Settling = DEFAULT_SETTLE,
        max_objects: int = DEFAULT_MAX_OBJECTS,
        exclusive: bool = True,
        **kwargs: Any,
    ) -> None:
        given = renamed(owner="SourceOperator", old="of", new="origin", gone_in="0.3", old_value=of, new_value=origin)
        self.origin: Origin = Files(given) if isinstance(given, str) else given
        if isinstance(self.origin, AssetEvents):
            # Airflow gives a task the events of its inlets alone.
            kwargs["inlets"] = [*kwargs.get("inlets", []), Asset.ref(name=self.origin.asset)]
        super().__init__(**kwargs)
        self.source = source
        self.settling = settling_of(settle)
        self.max_objects = max_objects
        self.exclusive = exclusive
        if self.run or self.command or set(self.outputs) != {"data", "manifest"}:
            raise StageConfigurationError(
                f"source {source!r}: its outputs are data and manifest, and it runs no code of its own"
            )

    def stage_settings(self, context: Context) -> dict[str, Any]:
        """Return the fields of the stage by name, with the tasks that claim of the same source."""
        rivals = [
            task.task_id
            for task in context["dag"].tasks
            if task.task_id != self.task_id
            and getattr(task, "source", None) == self.source
            and task.task_type == self.task_type
        ]
        return {**super().stage_settings(context), "rivals": rivals}
