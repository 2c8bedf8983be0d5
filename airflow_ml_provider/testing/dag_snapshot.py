"""A DAG as a text that a test compares with the one it was before."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from airflow.sdk import DAG

# What differs from machine to machine, or with every version of Airflow.
_LEFT_OUT = {"fileloc", "relative_fileloc", "_processor_dags_folder", "timezone", "base_folder", "_needs_expansion"}


class DagChangedError(AssertionError):
    """A DAG is not what its snapshot says."""


def dag_snapshot(dag: DAG) -> str:
    """Return a DAG as Airflow serializes it, as JSON in a fixed order, without paths of this machine."""
    from airflow.serialization.serialized_objects import DagSerialization

    text = json.dumps(_plain(DagSerialization.to_dict(dag)), indent=2, sort_keys=True) + "\n"
    folders = {folder for task in dag.tasks if (folder := getattr(task, "base_folder", None))}
    for folder in sorted(folders, key=len, reverse=True):
        text = text.replace(json.dumps(folder)[1:-1], "(folder)")
    return text


def require_snapshot(dag: DAG, file: Path, *, update: bool) -> None:
    """Compare a DAG with its snapshot; the first time, or when asked to, write it.

    Args:
        dag: The DAG.
        file: Where the snapshot is.
        update: Whether to write what the DAG is now.

    Raises:
        DagChangedError: The DAG is another.
    """
    now = dag_snapshot(dag)
    if update or not file.is_file():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(now, encoding="utf-8")
        return
    before = file.read_text(encoding="utf-8")
    if before != now:
        import difflib

        lines = difflib.unified_diff(before.splitlines(), now.splitlines(), "snapshot", "now", lineterm="", n=2)
        shown = "\n".join(list(lines)[:80])
        raise DagChangedError(f"DAG {dag.dag_id!r} is not what {file} says (--update-dag-snapshots takes it):\n{shown}")


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items() if key not in _LEFT_OUT}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value
