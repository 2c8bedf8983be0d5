"""What is asked of new servers, from where their callers are: each check is a process or a pod of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.attempts.identity import StageIdentity
from airflow_ml_provider.errors import (
    FAILURE_CLASSES,
    CheckFailedError,
    ServingChangedError,
    StageConfigurationError,
    StageFailedError,
)
from airflow_ml_provider.execution.stage_request import origin_of, stage_request
from airflow_ml_provider.protocol.artifact import ArtifactRef
from airflow_ml_provider.protocol.result import StageResult
from airflow_ml_provider.runners.local_runner import LocalRunner
from airflow_ml_provider.runners.pod_runner import PodRunner
from airflow_ml_provider.settings import MlSettings

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_ml_provider.operators.serve import ServeOperator
    from airflow_ml_provider.runners.runner import Ended, Runner

_PATH = "/invocations"


class ServeChecks:
    """Runs the checks of one serve stage.

    Args:
        operator: The stage, its templates rendered.
        context: The task's context.
        smoke: What servers are asked and what the model itself answers; ``None`` when nobody is to be asked.

    Attributes:
        asking: Whether a check runs.
    """

    def __init__(self, operator: ServeOperator, context: Context, *, smoke: ArtifactRef | None) -> None:
        self._operator = operator
        self._context = context
        self._smoke = smoke
        self._runner: Runner | None = None
        self._stopped = False
        self.asking = False

    def smoke(self, endpoints: Sequence[str]) -> None:
        """Ask every server once.

        Raises:
            CheckFailedError: One does not answer as the model itself does.
            StageFailedError: The check could not run.
        """
        result = self._run(part="smoke", endpoints=list(endpoints), path=_PATH)
        if faults := result.values["faults"]:
            lines = "".join(f"\n  | {line}" for line in faults)
            raise CheckFailedError(
                f"{len(faults)} of {len(endpoints)} new servers do not answer as the model itself does{lines}"
            )

    def watch(self, *, percent: int, new: Sequence[str], old: Sequence[str]) -> tuple[dict[str, float], list[str]]:
        """Watch a step of the canary; returns what was measured, and some of the wrong answers.

        Raises:
            StageFailedError: The check could not run, or the user's code failed.
        """
        operator = self._operator
        result = self._run(
            part="watch",
            percent=percent,
            endpoints=list(new),
            stable_endpoints=list(old),
            seconds=operator.hold.total_seconds(),
            rate=operator.probe_rate,
            path=_PATH,
        )
        return dict(result.metrics), list(result.values["faults"])

    def stop(self) -> None:
        """End the check that runs; called from Airflow's signal handler."""
        self._stopped = True
        if self._runner is not None:
            self._runner.stop()

    def _run(self, **options: Any) -> StageResult:
        if self._smoke is None:
            raise ServingChangedError("another run changed the endpoint meanwhile; a retry looks anew")
        operator, disruptions = self._operator, 0
        settings = MlSettings.read(store=operator.store, runner=operator.runner)
        identity = StageIdentity.of(self._context, store=settings.store)
        asked = stage_request(operator, self._context, identity)
        asked = replace(asked, options=options, inputs={"smoke": self._smoke}, outputs={})
        while True:
            number, uri = identity.claim_attempt(origin_of(asked, image=""))
            self._runner = (
                PodRunner(operator, self._context) if settings.runner == "kubernetes" else LocalRunner(operator.log)
            )
            if self._stopped:
                self._runner.stop()
            self.asking = True
            try:
                self._runner.prepare(replace(asked, attempt=number, attempt_uri=uri), secrets={}, memory=0)
                self._runner.start(patient=True)
                ended = self._runner.wait()
            finally:
                self.asking = False
            if ended.outcome.verdict == "success" and ended.result is not None:
                return ended.result
            disruptions += 1
            if ended.outcome.verdict != "disrupted" or disruptions > operator.max_disruptions:
                raise _failure(ended)
            operator.log.warning("%s\nThe check is begun again", ended.outcome.message)


def _failure(ended: Ended) -> Exception:
    tail = "".join(f"\n  | {line}" for line in ended.tail)
    message = f"a check of the new servers failed: {ended.outcome.message}{tail}"
    if not ended.outcome.retry_helps:
        return StageConfigurationError(message)
    return FAILURE_CLASSES.get(ended.outcome.verdict, StageFailedError)(message)
