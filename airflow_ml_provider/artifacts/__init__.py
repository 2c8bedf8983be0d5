"""The artifact store: where outputs lie, how they are committed and how they are read back unchanged.

Used on both sides of the pod boundary; fsspec is imported when a store is first touched.
"""

from airflow_ml_provider.artifacts.code import pack_code, unpack_code
from airflow_ml_provider.artifacts.digest import FileEntry, digest_of, scan
from airflow_ml_provider.artifacts.errors import (
    AlreadyExistsError,
    ArtifactCorruptError,
    ArtifactNotCommittedError,
    InvalidArtifactError,
    StoreError,
    StoreUnavailableError,
)
from airflow_ml_provider.artifacts.layout import attempt_uri, run_uri, stage_uri, store_segment
from airflow_ml_provider.artifacts.store import ArtifactStore

__all__ = [
    "AlreadyExistsError",
    "ArtifactCorruptError",
    "ArtifactNotCommittedError",
    "ArtifactStore",
    "FileEntry",
    "InvalidArtifactError",
    "StoreError",
    "StoreUnavailableError",
    "attempt_uri",
    "digest_of",
    "pack_code",
    "run_uri",
    "scan",
    "stage_uri",
    "store_segment",
    "unpack_code",
]
