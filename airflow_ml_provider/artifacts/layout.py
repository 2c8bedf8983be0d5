"""Where things lie: ``<store>/<pipeline>/<run>/<stage>/<map_index>/<attempt>/<output>``.

Names that start with ``_`` are the store's own; an output's name never does.
"""

from __future__ import annotations

import hashlib
import re

COMMITS = "_commits"
RESULT = "_result.json"
ATTEMPT = "_attempt.json"
CONTENT = "_content"

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
_MAX_SEGMENT = 120


def store_segment(name: str) -> str:
    """Turn any id (a run id with colons, a dotted task id) into one safe and readable path segment.

    Two different ids never give one segment: where characters had to go, a digest of the id is added.
    """
    slug = _UNSAFE.sub("-", name).lstrip("-._")[:_MAX_SEGMENT]
    if name and slug == name:
        return name
    return f"{slug or 'x'}-{hashlib.sha256(name.encode()).hexdigest()[:12]}"


def join(uri: str, *segments: str) -> str:
    """Append path segments to a URI."""
    return "/".join((uri.rstrip("/"), *segments))


def run_uri(store: str, *, pipeline: str, dag_run: str) -> str:
    """Return the directory of all that one DagRun leaves in the store."""
    return join(store, store_segment(pipeline), store_segment(dag_run))


def stage_uri(store: str, *, pipeline: str, dag_run: str, stage: str, map_index: int) -> str:
    """Return the directory of all attempts at one stage of one DagRun."""
    return join(run_uri(store, pipeline=pipeline, dag_run=dag_run), store_segment(stage), str(map_index))


def attempt_uri(stage: str, attempt: str) -> str:
    """Return the directory that one attempt alone writes to."""
    return join(stage, store_segment(attempt))


def commit_record_uri(artifact_uri: str) -> str:
    """Return where the commit record of an output lies."""
    parent, _, output = artifact_uri.rstrip("/").rpartition("/")
    return join(parent, COMMITS, f"{output}.json")


def content_uri(store: str, digest: str, suffix: str) -> str:
    """Return where content lies that is named by its own digest (packed code, a suite)."""
    return join(store, CONTENT, f"{digest.replace(':', '-')}{suffix}")
