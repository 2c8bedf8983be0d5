"""Commit: the run succeeded, what it was given is done with."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator, TriggerRule

from airflow_ml_provider.exceptions import raised_as_airflow

if TYPE_CHECKING:
    from airflow.sdk import Context

RETRIES, RETRY_DELAY = 5, timedelta(seconds=20)


class CommitOperator(BaseOperator):
    """The last task of a run with sources: ends its claims, when nothing before it failed.

    Args:
        sources: Names of the sources whose claims end.
        store: URI of the artifact store; default from ``[ml] store``.
    """

    template_fields: Sequence[str] = ()

    def __init__(self, *, sources: Sequence[str], store: str | None = None, **kwargs: Any) -> None:
        kwargs.setdefault("trigger_rule", TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS)
        kwargs.setdefault("retries", RETRIES)
        kwargs.setdefault("retry_delay", RETRY_DELAY)
        super().__init__(**kwargs)
        self.sources = list(sources)
        self.store = store

    @raised_as_airflow()
    def execute(self, context: Context) -> None:
        """End the claims.

        Raises:
            ClaimReleasedError: What this run was given was given back meanwhile.
            StoreUnavailableError: The store did not answer.
        """
        # Not imported with the module: parsing a DAG needs nothing of what running it needs.
        from airflow_ml_provider.configuration import ml_settings
        from airflow_ml_provider.sources.claiming import commit
        from airflow_ml_provider.tasks.run_context import identity_of

        identity = identity_of(context, store=ml_settings(store=self.store).store)
        commit(identity, sources=self.sources)
