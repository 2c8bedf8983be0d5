"""Serve: what a model answers offline, and whether servers answer the same; the servers themselves are next to this.

The stage's task runs it several times: ``example`` before anything is deployed, ``smoke`` once the new servers are
ready, ``watch`` at every step of the canary.
"""

from __future__ import annotations

from airflow_ml_provider.runtime.body import BodyContext, BodyOutcome


def run(context: BodyContext) -> BodyOutcome:
    """Do the part that the options name.

    Raises:
        ContractError: The model has no example, or does not answer it.
        TrackingError: The version could not be fetched.
        UserCodeError: The code that watches failed.
    """
    match context.request.options["part"]:
        case "example":
            from airflow_ml_provider.runtime.stages.serve.example import answered_offline

            return answered_offline(context)
        case "smoke":
            from airflow_ml_provider.runtime.stages.serve.smoke import smoke

            return smoke(context)
        case "watch":
            from airflow_ml_provider.runtime.stages.serve.watch import watch

            return watch(context)
        case part:
            raise AssertionError(f"serve has no part {part!r}")
