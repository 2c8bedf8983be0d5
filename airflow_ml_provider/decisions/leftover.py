"""Whether a task instance is over, so that what it left behind may be removed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

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
        task = f"task {self.task_id} of " if self.task_id else ""
        index = f" [{self.map_index}]" if self.map_index >= 0 else ""
        return f"{task}run {self.run_id} of {self.dag_id}{index}"


def is_over(owner: Owner, states: Mapping[str, str | None]) -> bool | None:
    """Whether the owner will do nothing more; ``None`` when Airflow does not know it.

    Args:
        owner: The task or DagRun.
        states: The states of the DagRun's tasks by task id, and by ``<task id>_<map index>`` where they are mapped.
    """
    found = [state for name, state in states.items() if _belongs(name, owner)]
    if not found:
        return None
    return all(state in ENDED_STATES for state in found)


def _belongs(name: str, owner: Owner) -> bool:
    if not owner.task_id:
        return True
    if owner.map_index >= 0:
        return name == f"{owner.task_id}_{owner.map_index}"
    return re.fullmatch(rf"{re.escape(owner.task_id)}(_\d+)?", name) is not None
