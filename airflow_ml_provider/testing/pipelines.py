"""Run a pipeline in a test, whole, on the local runner."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airflow_ml_provider.local.events import LocalRunRequest, RunEvent, StageEvent
from airflow_ml_provider.local.pipeline_run import LocalRun


class PipelineRunError(AssertionError):
    """A pipeline that a test ran failed; the message holds its mistakes, or what its first failed stage said."""


@dataclass(frozen=True)
class PipelineRun:
    """What a run left.

    Attributes:
        state: ``success`` or ``failed``.
        stages: What became of each stage, by name.
        log: The file with all that the run printed.
    """

    state: str
    stages: Mapping[str, StageEvent]
    log: Path

    def metrics(self, stage: str) -> Mapping[str, float]:
        """Return the metrics of a stage."""
        return self.stages[stage].metrics

    def output(self, stage: str, name: str) -> Path:
        """Return an output of a stage, a file or a folder.

        Raises:
            KeyError: The stage has no such output.
        """
        uri: str = self.stages[stage].outputs[name]["uri"]
        return Path(uri.removeprefix("file://"))


def run_pipeline(
    pipeline: str | Path,
    overrides: Mapping[str, Any] | None = None,
    *,
    environment: str | None = None,
    stages: Sequence[str] = (),
    home: Path | None = None,
    check: bool = True,
) -> PipelineRun:
    """Run a pipeline on this machine as ``airflow-ml run`` does; nothing but the stages' own libraries is needed.

    Args:
        pipeline: The pipeline's file.
        overrides: What the test changes, a JSON Merge Patch over the file:
            ``{"stages": {"train": {"params": {"depth": 2}}}}``.
        environment: Whose changes to take.
        stages: Run these alone, on what the last run in the same ``home`` left.
        home: The folder for artifacts and results of earlier runs; a new one by default.
        check: Raise when the run did not succeed.

    Raises:
        PipelineRunError: The pipeline has mistakes, or the run failed and ``check`` is set.
    """
    folder = Path(tempfile.mkdtemp(prefix="airflow-ml-run-")) if home is None else home.resolve()
    log = folder / "logs" / "run.log"
    request = LocalRunRequest(
        file=str(Path(pipeline).absolute()),
        home=str(folder),
        environment=environment,
        patch=dict(overrides or {}),
        stages=list(stages),
    )
    found: dict[str, StageEvent] = {}
    last = RunEvent("failed", message="nothing happened")
    for event in LocalRun(request, log=log).events():
        if isinstance(event, StageEvent):
            found[event.stage] = event
        elif isinstance(event, RunEvent):
            last = event
    run = PipelineRun("success" if last.state == "success" else "failed", found, log)
    if last.state == "refused" or (check and run.state != "success"):
        failed = next((f"stage {stage.stage!r}: {stage.message}" for stage in found.values() if stage.message), "")
        raise PipelineRunError(last.message or failed or f"the run failed; see {log}")
    return run
