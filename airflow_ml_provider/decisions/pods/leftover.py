"""Whether a task instance is over, so that what it left behind may be removed."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from airflow_ml_provider.protocol.plain_text import one_line

ENDED_STATES = ("failed", "removed", "skipped", "success", "upstream_failed")


@dataclass(frozen=True)
class Owner:
    """Whom a pod or a run belongs to.

    Attributes:
        dag_id: The DAG.
        run_id: The DagRun.
        task_id: The task; empty for the DagRun as a whole.
        map_index: The index of a mapped task; -1 for all of them.
    """

    dag_id: str
    run_id: str
    task_id: str = ""
    map_index: int = -1

    def __str__(self) -> str:
        index = f"[{self.map_index}]" if self.map_index >= 0 else ""
        task = f"task {self.task_id}{index} of " if self.task_id else ""
        return one_line(f"{task}run {self.run_id} of {self.dag_id}")


def is_over(states: Collection[str | None]) -> bool | None:
    """Whether an owner will do nothing more; ``None`` when Airflow does not know it.

    Args:
        states: The states of its task instances.
    """
    return all(state in ENDED_STATES for state in states) if states else None
