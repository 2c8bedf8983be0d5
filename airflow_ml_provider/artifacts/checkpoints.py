"""Where the checkpoints of an attempt lie: ``<attempt>/_checkpoints/c0000001``, committed as any artifact."""

from __future__ import annotations

from airflow_ml_provider.artifacts.errors import StoreAwayError, StoreError
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


def committed_checkpoints(attempt_uri: str) -> tuple[ArtifactRef, ...]:
    """Return the checkpoints that an attempt committed, the newest first; one whose record is damaged is none.

    Raises:
        StoreUnavailableError: The store does not answer, or refuses.
    """
    directory = checkpoints_uri(attempt_uri)
    fs, path = filesystem(join(directory, COMMITS))
    fs.invalidate_cache()
    try:
        with store_errors("read", directory):
            found = fs.ls(path, detail=False)
    except FileNotFoundError:
        return ()
    names = sorted((name for entry in found if (name := entry.rpartition("/")[2]).endswith(".json")), reverse=True)
    checkpoints = []
    for name in names:
        try:
            checkpoints.append(ArtifactStore().find(join(directory, name.removesuffix(".json"))))
        except StoreAwayError:
            raise
        except StoreError:
            continue
    return tuple(checkpoints)
