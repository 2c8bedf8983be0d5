"""What is asked of a local run, and what it reports while it goes on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

FOLDER = ".airflow-ml"
"""The folder of local runs, in the current one."""


class RefusedError(ValueError):
    """The run cannot begin: what it was asked for does not fit the pipeline or this machine."""


@dataclass(frozen=True)
class LocalRunRequest:
    """What is to run.

    Attributes:
        file: The pipeline's file.
        home: The folder for artifacts, logs and results of earlier runs.
        environment: Whose changes to take.
        patch: A JSON Merge Patch over the pipeline (``{"stages": {"train": {"params": {"depth": 3}}}}``).
        stages: Run these alone; what others put out is taken from the last run.
        begin: Run this stage and all that follows it.
        resume: Go on with the last run: its stages that succeeded are not run again.
        reuse: Whether stages whose cache is on take earlier results.
        approved: Whether questions to a person are answered with yes.
        rejected: Stages whose question is answered with no.
        parallel: How many stages run at once.
        events: The file descriptor that events go to, of a run in Airflow.
        lifeline: The file descriptor that reads nothing while the caller lives, of a run in Airflow.
    """

    file: str
    home: str
    environment: str | None = None
    patch: Mapping[str, Any] = field(default_factory=dict)
    stages: Sequence[str] = ()
    begin: str | None = None
    resume: bool = False
    reuse: bool = True
    approved: bool = False
    rejected: Sequence[str] = ()
    parallel: int = 4
    events: int = -1
    lifeline: int = -1


@dataclass(frozen=True)
class StageEvent:
    """What became of a stage.

    Attributes:
        stage: Its name.
        state: ``running``, ``success``, ``failed``, ``skipped``, ``upstream_failed``.
        metrics: The metrics that it returned.
        outputs: Its outputs as references, by name.
        message: Why it failed.
        cache: Where its result was taken from, or why it ran; empty when its cache is off.
    """

    stage: str
    state: str
    metrics: Mapping[str, float] = field(default_factory=dict)
    outputs: Mapping[str, Any] = field(default_factory=dict)
    message: str = ""
    cache: str = ""


@dataclass(frozen=True)
class TrialEvent:
    """A trial of a stage that ended.

    Attributes:
        trial: What became of it, and the best so far, in one line.
    """

    trial: str


@dataclass(frozen=True)
class RunEvent:
    """What became of the run.

    Attributes:
        state: ``starting``, ``running``, ``success``, ``failed``, or ``refused`` when it did not begin.
        stages: The stages that run, in their order.
        message: Why it was refused; what a person should know.
    """

    state: str
    stages: Sequence[str] = ()
    message: str = ""


Event: TypeAlias = StageEvent | TrialEvent | RunEvent
