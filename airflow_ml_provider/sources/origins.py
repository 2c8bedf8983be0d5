"""What a source is of: files, rows of a query, versions of a model, events of an asset."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airflow_ml_provider.decisions.data.settling import Marked, Quiet, Settling, Unchanged
from airflow_ml_provider.protocol.codec import from_plain, to_plain


@dataclass(frozen=True)
class Files:
    """Files of a URI pattern.

    Attributes:
        uri: An fsspec URI with ``*``, ``**``, and ``{year}`` for parts that name a partition.
        partition: How partitions are called, such as ``{year}-{month}``; default is the values with ``-`` between.
    """

    uri: str
    partition: str | None = None


@dataclass(frozen=True)
class SqlRows:
    """Rows of a query, each version of a row once.

    Attributes:
        sql: A SELECT without a semicolon at its end; it becomes a subquery.
        watermark: A column that grows with each change of a row: a time, or a number; rows without one are left out.
        key: The columns that distinguish a row from others.
        conn_id: An Airflow connection whose hook is a DbApiHook.
        partition: A column that names the row's partition.
        lookback: How far before the latest watermark rows are still looked for: in seconds for times, as it is for
            numbers. A row that becomes visible later than that is not seen.
    """

    sql: str
    watermark: str
    key: tuple[str, ...]
    conn_id: str
    partition: str | None = None
    lookback: float = 3600.0


@dataclass(frozen=True)
class ModelVersions:
    """Versions of a registered model in MLflow.

    Attributes:
        model: The model's name.
        alias: Each change of this alias is new, back to an older version too; without, each version is.
        conn_id: An Airflow connection to MLflow.
    """

    model: str
    alias: str | None = None
    conn_id: str = "mlflow_default"


@dataclass(frozen=True)
class AssetEvents:
    """Events of an Airflow asset.

    Attributes:
        asset: The asset's name.
        partitioned: Whether an event's partition key is its partition: Airflow starts a run for each key then.
    """

    asset: str
    partitioned: bool = False


Origin = Files | SqlRows | ModelVersions | AssetEvents

_KINDS: Mapping[str, type[Any]] = {
    cls.__name__: cls for cls in (Files, SqlRows, ModelVersions, AssetEvents, Quiet, Marked, Unchanged)
}


def is_partitioned(origin: Origin) -> bool:
    """Whether its objects may belong to partitions."""
    match origin:
        case Files():
            from airflow_ml_provider.artifacts.path_pattern import placeholders

            return bool(placeholders(origin.uri))
        case SqlRows():
            return origin.partition is not None
        case AssetEvents():
            return origin.partitioned
    return False


def described(origin: Origin) -> str:
    """Return what it is, for people."""
    match origin:
        case Files():
            return origin.uri
        case SqlRows():
            return f"the rows of connection {origin.conn_id}"
        case ModelVersions():
            return f"model {origin.model}{'@' + origin.alias if origin.alias else ''}"
        case AssetEvents():
            return f"the events of asset {origin.asset}"


def tagged(value: Origin | Settling) -> dict[str, Any]:
    """Return a plain mapping that ``untagged`` reads, for a trigger's row in Airflow's database."""
    return {"kind": type(value).__name__, **to_plain(value)}


def untagged(plain: Mapping[str, Any]) -> Any:
    """Return what ``tagged`` was given.

    Raises:
        ProtocolError: It is of another version.
    """
    return from_plain(_KINDS[plain["kind"]], {key: value for key, value in plain.items() if key != "kind"})
