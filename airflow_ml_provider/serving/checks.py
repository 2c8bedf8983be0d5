"""What is asked of new servers, from where their callers are: each check is a process or a pod of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    from airflow_ml_provider.attempts.run_context import RunContext
    from airflow_ml_provider.runners.runner import Ended, Runner
    from airflow_ml_provider.serving.serve_settings import ServeSettings

_PATH = "/invocations"


class ServeChecks:
    """Runs the checks of one serve stage.

    Args:
        stage: The stage.
        run: The task instance.
        smoke: What servers are asked and what the model itself answers; ``None`` when nobody is to be asked.
    """

    def __init__(self, stage: ServeSettings, run: RunContext, *, smoke: ArtifactRef | None) -> None:
        self._stage = stage
        self._run = run
        self._smoke = smoke
        self._runner: Runner | None = None
        run.stop.then(self._stop)

    def smoke(self, endpoints: Sequence[str]) -> None:
        """Ask every server once.

        Raises:
            CheckFailedError: One does not answer as the model itself does.
            StageFailedError: The check could not run.
        """
        result = self._check(part="smoke", endpoints=list(endpoints), path=_PATH)
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
        stage = self._stage
        result = self._check(
            part="watch",
            percent=percent,
            endpoints=list(new),
            stable_endpoints=list(old),
            seconds=stage.hold.total_seconds(),
            rate=stage.probe_rate,
            path=_PATH,
        )
        return dict(result.metrics), list(result.values["faults"])

    def _stop(self) -> None:
        if self._runner is not None:
            self._runner.stop()

    def _check(self, **options: Any) -> StageResult:
        if self._smoke is None:
            raise ServingChangedError("another run changed the endpoint meanwhile; a retry looks anew")
        stage, run, disruptions = self._stage, self._run, 0
        asked = replace(stage_request(stage, run), options=options, inputs={"smoke": self._smoke}, outputs={})
        while True:
            number, uri = run.identity.claim_attempt(origin_of(asked, image=""))
            runner = self._runner = self._new_runner()
            if run.stop.requested:
                runner.stop()
            runner.prepare(replace(asked, attempt=number, attempt_uri=uri), secrets={}, memory=0)
            runner.start(waiting_since=0.0, note=lambda since: None)
            ended = runner.wait()
            if ended.outcome.verdict == "success" and ended.result is not None:
                return ended.result
            disruptions += 1
            if ended.outcome.verdict != "disrupted" or disruptions > stage.max_disruptions:
                raise _failure(ended)
            run.log.warning("%s\nThe check is begun again", ended.outcome.message)

    def _new_runner(self) -> Runner:
        pods = self._stage.pods
        if pods is None:
            return LocalRunner.of(self._run.settings, log=self._run.log)
        from airflow_ml_provider.runners.pod_runner import PodRunner
        from airflow_ml_provider.serving.check_pods import check_pods

        return PodRunner(check_pods(pods), self._stage, self._run)


def _failure(ended: Ended) -> Exception:
    tail = "".join(f"\n  | {line}" for line in ended.tail)
    message = f"a check of the new servers failed: {ended.outcome.message}{tail}"
    if not ended.outcome.retry_helps:
        return StageConfigurationError(message)
    return FAILURE_CLASSES.get(ended.outcome.verdict, StageFailedError)(message)
