"""What is asked of the Kubernetes API about pods, and how its answers are read: for threads and for event loops."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from airflow_ml_provider.errors import ClusterUnavailableError
from airflow_ml_provider.hooks.cluster_errors import ExpiredError

WATCH_SECONDS = 30
"""How long one watch lasts; it is resumed."""
PAGE = 50
"""Pods a page: each carries its request and runtime, and reading a page must not hold an event loop up."""


def one_pod(name: str) -> dict[str, str]:
    """Return the selector of one pod."""
    return {"field_selector": f"metadata.name={name}"}


def watch_query(resource_version: str) -> dict[str, Any]:
    """Return the arguments of a watch that begins at a resource version."""
    return {
        "watch": True,
        "allow_watch_bookmarks": True,
        "resource_version": resource_version,
        "timeout_seconds": WATCH_SECONDS,
        "_preload_content": False,
    }


def watch_event(line: str | bytes, watched: str) -> tuple[str, dict[str, Any]]:
    """Return an event as (type, object).

    Args:
        line: The event as it came.
        watched: What is watched, for messages.

    Raises:
        ExpiredError: The resource version is too old.
        ClusterUnavailableError: The watch broke within an event, or the API server ended it with an error.
    """
    try:
        event = json.loads(line)
    except ValueError as error:
        raise ClusterUnavailableError(f"the watch of {watched} broke within an event") from error
    if event["type"] != "ERROR":
        return event["type"], event["object"]
    if event["object"].get("code") == 410:
        raise ExpiredError(f"the watch of {watched} expired")
    raise ClusterUnavailableError(f"the watch of {watched} ended with an error: {event['object']}")


def events_about(uid: str) -> dict[str, str]:
    """Return the selector of the events about an object."""
    return {"field_selector": f"involvedObject.uid={uid}"}


def in_order(events: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return events, the oldest first."""
    return sorted(events, key=lambda event: event.get("lastTimestamp") or event.get("eventTime") or "")
