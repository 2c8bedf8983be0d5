"""What stages of a local run get of the world around them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from airflow_ml_provider.attempts.run_context import SeenRun
from airflow_ml_provider.errors import StageConfigurationError
from airflow_ml_provider.local.flow import StageFlow


class NotedState:
    """What a stage keeps between tries.

    Args:
        notes: What it kept in the run that this one goes on with.
        keep: Keeps all of it where a later run finds it.
    """

    def __init__(self, notes: Mapping[str, Any], *, keep: Callable[[Mapping[str, Any]], None]) -> None:
        self._notes = dict(notes)
        self._keep = keep

    def get(self, key: str) -> Any:
        """Return a value, ``None`` where there is none."""
        return self._notes.get(key)

    def set(self, key: str, value: Any) -> None:
        """Keep a value."""
        self._notes[key] = value
        self._keep(self._notes)

    def delete(self, key: str) -> None:
        """Remove a value."""
        self._notes.pop(key, None)
        self._keep(self._notes)


class MemoryOutputs:
    """The outputs of a stage, in memory.

    Attributes:
        values: By key.
    """

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    def push(self, key: str, value: Any) -> None:
        """Keep a value."""
        self.values[key] = value


class LoggedEvents:
    """Asset events of a run that no Airflow sees: they are logged.

    Args:
        log: The stage's log.
    """

    def __init__(self, log: Any) -> None:
        self._log = log

    def emit(self, *, name: str, uri: str, extra: Mapping[str, Any]) -> None:
        """Log the event."""
        self._log.info("In Airflow this is an event of asset %s (%s)", name, uri)

    def received(self, asset: str, *, after: str | None) -> Iterable[Any]:
        """Fail: there are none here."""
        raise StageConfigurationError(f"events of asset {asset!r} are in Airflow: run with --airflow")


class NoRuns:
    """The runs of a pipeline that only runs here: none is known."""

    def seen(self, dag_run: str) -> SeenRun:
        """Fail: there is none."""
        raise LookupError("runs on this machine are not kept")


class LocalFlow:
    """What follows a stage.

    Args:
        flow: The run's stages.
        stage: The stage.
        take: Skips what follows but a branch.
    """

    def __init__(self, flow: StageFlow, stage: str, *, take: Callable[[Sequence[str]], None]) -> None:
        self._flow = flow
        self._stage = stage
        self._take = take

    @property
    def downstream(self) -> Sequence[str]:
        """The direct downstream stages."""
        return self._flow.downstream(self._stage)

    @property
    def teardowns(self) -> Sequence[str]:
        """None: what ends a run here is not a stage."""
        return ()

    def take(self, branch: Sequence[str]) -> None:
        """Skip all direct downstream stages but those of a branch."""
        self._take(branch)
