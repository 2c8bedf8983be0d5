"""Waits until there is something new in a source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.sdk import BaseSensorOperator

from airflow_ml_provider.decisions.data.settling import Settling, settling_of
from airflow_ml_provider.deprecation import renamed
from airflow_ml_provider.exceptions import raised_as_airflow
from airflow_ml_provider.operators.source import DEFAULT_SETTLE
from airflow_ml_provider.sources.origins import Files, Origin, described, is_partitioned

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_ml_provider.sources.watched_source import WatchedSource


class NewDataSensor(BaseSensorOperator):
    """Waits for settled objects of a source that no run was given; it claims none.

    In a DAG of your own it comes before a SourceOperator of the same ``source`` and ``of``, which claims what it saw.
    ``poke_interval``, ``timeout``, ``mode`` and ``soft_fail`` mean what they mean for every sensor.

    Args:
        source: The source's name, under which its claims are kept.
        origin: Where its objects come from: Files, SqlRows or ModelVersions; a text is the URI of Files, or a path
            relative to the DAG's file, with ``*`` and ``**``.
        settle: When an object is written to its end: how long it must not have been written, Marked or Unchanged.
        store: URI of the artifact store; default from ``[ml] store``.
        base_folder: Where relative paths start; default is the folder of the DAG's file.
        deferrable: Wait in the triggerer instead of a worker.
    """

    template_fields: Sequence[str] = ()

    def __init__(
        self,
        *,
        source: str,
        origin: Origin | str | None = None,
        of: Origin | str | None = None,
        settle: timedelta | Settling = DEFAULT_SETTLE,
        store: str | None = None,
        base_folder: str | None = None,
        deferrable: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.source = source
        given = renamed(owner="NewDataSensor", old="of", new="origin", gone_in="0.3", old_value=of, new_value=origin)
        self.origin: Origin = Files(given) if isinstance(given, str) else given
        self.settling = settling_of(settle)
        self.store = store
        self.base_folder = base_folder
        self.deferrable = deferrable

    def poke(self, context: Context) -> bool:
        """Look once; a run that was given something before, and was cleared, has it again.

        Raises:
            StageConfigurationError: The store cannot create an object exactly once.
            StoreUnavailableError: The store or the source did not answer.
        """
        source = self._source(context)
        ledger = source.claims.read()
        if source.claims.of_run(ledger, str(context["run_id"])) is not None:
            self.log.info("This run was given something of %s before", described(source.origin))
            return True
        seen = source.settled_look(ledger, limit=1, partition=self._partition(context))
        new = len(seen.new) + seen.more
        self.log.info("%s new in %s, %s still settle", new, described(source.origin), seen.unsettled)
        return bool(seen.new)

    @raised_as_airflow()
    def execute(self, context: Context) -> None:
        """Wait, in a worker or in the triggerer."""
        if not self.deferrable:
            super().execute(context)
        elif not self.poke(context):
            self._defer(context)

    def _defer(self, context: Context) -> NoReturn:
        from airflow_ml_provider.triggers.new_data import NewDataTrigger

        trigger = NewDataTrigger(
            source=self._source(context).to_plain(), poll=self.poke_interval, partition=self._partition(context)
        )
        self.defer(trigger=trigger, method_name="resume", timeout=timedelta(seconds=self.timeout))

    @raised_as_airflow()
    def resume(self, context: Context, event: Mapping[str, Any]) -> None:
        """Go on: there is something new."""
        self.log.info("%s new in %s", event["objects"], described(self.origin))

    def _partition(self, context: Context) -> str | None:
        return context["dag_run"].partition_key if is_partitioned(self.origin) else None

    def _source(self, context: Context) -> WatchedSource:
        from airflow_ml_provider.configuration import ml_settings
        from airflow_ml_provider.sources.watched_source import WatchedSource

        origin = self.origin
        if isinstance(origin, Files) and "://" not in origin.uri:
            folder = Path(self.base_folder or Path(context["dag"].fileloc).parent)
            origin = replace(origin, uri=str(folder / origin.uri))
        store = ml_settings(store=self.store).store
        return WatchedSource(store, context["dag"].dag_id, self.source, origin, self.settling)
