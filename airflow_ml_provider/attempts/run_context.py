"""What the execution of a stage needs of the world around it: Airflow's, or that of a local run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from airflow_ml_provider.attempts.identity import StageIdentity
from airflow_ml_provider.mlflow_api.server import MlflowServer
from airflow_ml_provider.settings import MlSettings


class StateStore(Protocol):
    """Small values that outlive the process of a try; Airflow's task state store."""

    def get(self, key: str) -> Any:
        """Return a value, ``None`` where there is none."""

    def set(self, key: str, value: Any) -> None:
        """Keep a JSON value."""

    def delete(self, key: str) -> None:
        """Remove a value; that there is none is not an error."""


class Outputs(Protocol):
    """What other stages and people see of this one; Airflow's XComs."""

    def push(self, key: str, value: Any) -> None:
        """Keep a JSON value under a key of this stage."""


class Connections(Protocol):
    """Where servers are found by a connection's id."""

    def mlflow(self, conn_id: str) -> MlflowServer:
        """Return the MLflow server of a connection.

        Raises:
            MlflowError: The connection names no server.
        """


class Events(Protocol):
    """Where a stage reports what other pipelines are started by; Airflow's asset events."""

    def emit(self, *, name: str, uri: str, extra: Mapping[str, Any]) -> None:
        """Report an event of an asset once the stage has succeeded."""

    def received(self, asset: str, *, after: str | None) -> Iterable[Any]:
        """Return the events of an asset that this stage reads, the oldest first.

        Args:
            asset: The asset's name.
            after: Without events before this time, ISO 8601; ``None`` for all.
        """


@dataclass(frozen=True)
class SeenRun:
    """A run of the pipeline.

    Attributes:
        state: ``queued``, ``running``, ``success`` or ``failed``.
        failed: Whether a task of it failed.
        passed: Whether this stage succeeded in it.
    """

    state: str
    failed: bool
    passed: bool


class Runs(Protocol):
    """The runs of the pipeline; Airflow's database."""

    def seen(self, dag_run: str) -> SeenRun:
        """Return what is known of a run.

        Raises:
            LookupError: There is no such run.
        """


class Flow(Protocol):
    """The direct downstream tasks of a stage."""

    @property
    def downstream(self) -> Sequence[str]:
        """Their ids, without teardowns."""

    @property
    def teardowns(self) -> Sequence[str]:
        """Ids of those that run whatever happens."""

    def take(self, branch: Sequence[str]) -> None:
        """Skip all direct downstream tasks but these."""


class Stop:
    """Whether the task is to end; asked by what waits, requested from a signal handler."""

    def __init__(self) -> None:
        self.requested = False
        self._callbacks: list[Callable[[], None]] = []

    def request(self) -> None:
        """End the task's work."""
        self.requested = True
        for callback in list(self._callbacks):
            callback()

    def then(self, callback: Callable[[], None]) -> None:
        """Call a function when the end is requested, at once when it was."""
        self._callbacks.append(callback)
        if self.requested:
            callback()


@dataclass(frozen=True, kw_only=True)
class RunContext:
    """One task instance of a stage, as its execution sees it.

    Attributes:
        identity: Which stage of which run it is.
        settings: The section ``[ml]``, with what the stage says itself.
        log: The task's log, with the methods of ``logging.Logger``.
        state: What is kept between tries.
        outputs: What the stage hands on.
        connections: Where servers are.
        events: What the stage reports to other pipelines, and reads of them.
        runs: The pipeline's runs.
        flow: What follows the stage.
        params: The run's params.
        partition: The run's partition key, ``None`` without one.
        closes_mlflow_runs: Whether something at the end of the run closes its MLflow run.
        stop: Whether the task is to end.
        suspensions: Exceptions that end this process's part in a task which goes on elsewhere.
        timeouts: Exceptions, not of ``Exception``, that end a task whose time is over.
    """

    identity: StageIdentity
    settings: MlSettings
    log: Any
    state: StateStore
    outputs: Outputs
    connections: Connections
    events: Events
    runs: Runs
    flow: Flow
    params: Mapping[str, Any] = field(default_factory=dict)
    partition: str | None = None
    closes_mlflow_runs: bool = False
    stop: Stop = field(default_factory=Stop)
    suspensions: tuple[type[BaseException], ...] = ()
    timeouts: tuple[type[BaseException], ...] = ()
