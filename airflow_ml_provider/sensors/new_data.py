"""Waits until there is something new in a source."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.sdk import BaseSensorOperator

from airflow_ml_provider.operators.source import DEFAULT_SETTLE

if TYPE_CHECKING:
    from airflow.sdk import Context


class NewDataSensor(BaseSensorOperator):
    """Waits for settled objects of a source that no run was given; it claims none.

    In a DAG of your own it comes before a SourceOperator of the same ``source`` and ``uri``, which claims what it saw.
    ``poke_interval``, ``timeout``, ``mode`` and ``soft_fail`` mean what they mean for every sensor.

    Args:
        source: The source's name, under which its claims are kept.
        uri: An fsspec URI, or a path relative to the DAG's file, with ``*`` and ``**``.
        settle: How long an object must not have been written before it is taken.
        store: URI of the artifact store; default from ``[ml] store``.
        base_folder: Where relative paths start; default is the folder of the DAG's file.
        deferrable: Wait in the triggerer instead of a worker.
    """

    template_fields: Sequence[str] = ()

    def __init__(
        self,
        *,
        source: str,
        uri: str,
        settle: timedelta = DEFAULT_SETTLE,
        store: str | None = None,
        base_folder: str | None = None,
        deferrable: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.source = source
        self.uri = uri
        self.settle = settle
        self.store = store
        self.base_folder = base_folder
        self.deferrable = deferrable

    def poke(self, context: Context) -> bool:
        """Look once; a run that was given something before, and was cleared, has it again.

        Raises:
            StageConfigurationError: The store cannot create an object exactly once.
            StoreUnavailableError: The store or the source did not answer.
        """
        from airflow_ml_provider.artifacts.listing import objects
        from airflow_ml_provider.decisions.new_data import look
        from airflow_ml_provider.operators.claiming import source_claims

        claims = source_claims(self._store(), pipeline=context["dag"].dag_id, source=self.source)
        ledger, uri = claims.read(), self._uri(context)
        if claims.of_run(ledger, str(context["run_id"])) is not None:
            self.log.info("This run was given objects of %s before", uri)
            return True
        settle = self.settle.total_seconds()
        seen = look(objects(uri), is_handed_out=ledger.is_handed_out, now=time.time(), settle=settle, limit=1)
        self.log.info("%s new in %s, %s still settle", len(seen.new) + seen.more, uri, seen.unsettled)
        return bool(seen.new)

    def execute(self, context: Context) -> None:
        """Wait, in a worker or in the triggerer."""
        if not self.deferrable:
            super().execute(context)
        elif not self.poke(context):
            self._defer(context)

    def _defer(self, context: Context) -> NoReturn:
        from airflow_ml_provider.triggers.new_data import NewDataTrigger

        trigger = NewDataTrigger(
            store=self._store(),
            pipeline=context["dag"].dag_id,
            source=self.source,
            uri=self._uri(context),
            settle=self.settle.total_seconds(),
            poll=self.poke_interval,
        )
        self.defer(trigger=trigger, method_name="resume", timeout=timedelta(seconds=self.timeout))

    def resume(self, context: Context, event: Mapping[str, Any]) -> None:
        """Go on: there is something new."""
        self.log.info("%s new in %s", event["objects"], self._uri(context))

    def _store(self) -> str:
        from airflow_ml_provider.operators.settings import MlSettings

        return MlSettings.read(store=self.store).store

    def _uri(self, context: Context) -> str:
        if "://" in self.uri:
            return self.uri
        return str(Path(self.base_folder or Path(context["dag"].fileloc).parent) / self.uri)
