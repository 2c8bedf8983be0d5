"""Whether a pod that nobody follows any more is deleted: KubernetesPodOperator's ``on_finish_action``."""

from __future__ import annotations


def deletes(action: str, *, succeeded: bool, ended: bool, active: bool = False) -> bool:
    """Return whether to delete a stage's pod.

    Args:
        action: ``delete_pod``, ``delete_succeeded_pod``, ``delete_active_pod`` or ``keep_pod``.
        succeeded: Whether the stage succeeded.
        ended: Whether its container has ended; one that still runs is always deleted, since no pod outlives its task.
        active: Whether the pod itself is active still: a sidecar may run on.
    """
    if not ended:
        return True
    if action == "delete_active_pod":
        return active
    return action == "delete_pod" or (action == "delete_succeeded_pod" and succeeded)
