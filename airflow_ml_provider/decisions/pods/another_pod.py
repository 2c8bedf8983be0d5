"""Whether an attempt that ended without a result is followed by another pod within the same try.

Airflow's retries are the author's: for code that may fail. What the cluster does to a pod is not the code's doing, so
it is answered inside the try, within limits of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from airflow_ml_provider.decisions.outcome import StageOutcome

MEMORY_FACTOR = 2


MAX_MEMORY = "max_memory"
"""The name among a stage's resources of how far its memory may be raised."""


@dataclass(frozen=True)
class Spent:
    """What a try used up so far.

    Attributes:
        disruptions: Pods that were evicted, preempted, deleted or lost with their node.
        memory: What the next pod gets instead of its own memory, in bytes; 0 for its own.
    """

    disruptions: int = 0
    memory: int = 0


def another_pod(
    outcome: StageOutcome, spent: Spent, *, max_disruptions: int, memory: int, max_memory: int
) -> Spent | None:
    """Return what the try has used up once it has another pod, ``None`` when there is to be none.

    Args:
        outcome: How the last pod ended.
        spent: What the try used up before.
        max_disruptions: How many disrupted pods are replaced.
        memory: What the last pod might use, in bytes; 0 when it had no limit.
        max_memory: How far its memory may be raised, in bytes; 0 for not at all.
    """
    if outcome.verdict == "disrupted" and spent.disruptions < max_disruptions:
        return replace(spent, disruptions=spent.disruptions + 1)
    if outcome.verdict == "out_of_memory" and 0 < memory < max_memory:
        return replace(spent, memory=min(memory * MEMORY_FACTOR, max_memory))
    return None
