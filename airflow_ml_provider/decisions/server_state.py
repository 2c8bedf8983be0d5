"""Will a server become ready? A pod's status in, the reason why not out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

STARTS = 3
"""After how many starts that all ended a server is given up."""

_NEVER = ("ErrImageNeverPull", "InvalidImageName", "CreateContainerConfigError", "ImageInspectError")
_PULL = ("ErrImagePull", "ImagePullBackOff")


def server_fault(pod: Mapping[str, Any], *, container: str) -> str:
    """Say why a server will not become ready, empty as long as it may.

    Args:
        pod: The pod as the Kubernetes API gives it.
        container: The name of the container that serves.
    """
    for status in pod["status"].get("containerStatuses", ()):
        waiting = status.get("state", {}).get("waiting", {})
        reason = waiting.get("reason", "")
        if reason in (*_NEVER, *_PULL):
            return f"{reason}: {waiting.get('message', '')}; mend the image's name, or let the node pull it"
        if status["name"] != container:
            continue
        ended = status.get("state", {}).get("terminated") or status.get("lastState", {}).get("terminated")
        if ended and (status.get("restartCount", 0) >= STARTS - 1 or ended.get("reason") == "OOMKilled"):
            if ended.get("reason") == "OOMKilled":
                return "it used more memory than it has (OOMKilled): raise resources.memory"
            return f"it ends again and again, last with exit code {ended.get('exitCode')}"
    return ""
