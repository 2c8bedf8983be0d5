"""Where the checkpoints of an attempt lie: ``<attempt>/_checkpoints/c0000001``, committed as any artifact."""

from __future__ import annotations

from airflow_ml_provider.artifacts.layout import COMMITS, join
from airflow_ml_provider.artifacts.objects import filesystem, store_errors
from airflow_ml_provider.artifacts.store import ArtifactStore
from airflow_ml_provider.protocol.artifact import ArtifactRef

_FOLDER = "_checkpoints"


def checkpoints_uri(attempt_uri: str) -> str:
    """Return the directory of an attempt's checkpoints."""
    return join(attempt_uri, _FOLDER)


def checkpoint_name(number: int) -> str:
    """Return the name of a checkpoint; names sort as their numbers do."""
    return f"c{number:07d}"


def newest_checkpoint(attempt_uri: str) -> ArtifactRef | None:
    """Return the last checkpoint that an attempt committed, ``None`` when it committed none.

    Raises:
        StoreError: The store does not answer, or the commit record is damaged.
    """
    directory = checkpoints_uri(attempt_uri)
    fs, path = filesystem(join(directory, COMMITS))
    fs.invalidate_cache()
    try:
        with store_errors("read", directory):
            found = fs.ls(path, detail=False)
    except FileNotFoundError:
        return None
    names = sorted(name for entry in found if (name := entry.rpartition("/")[2]).endswith(".json"))
    return ArtifactStore().find(join(directory, names[-1].removesuffix(".json"))) if names else None
