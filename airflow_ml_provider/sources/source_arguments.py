"""A source of a pipeline as the arguments of the operator that claims it."""

from __future__ import annotations

import datetime as dt
from typing import Any

from airflow_ml_provider.decisions.data.settling import Marked, Settling, Unchanged
from airflow_ml_provider.sources.origins import AssetEvents, Files, ModelVersions, Origin, SqlRows
from airflow_ml_provider.spec.pipeline import PipelineSpec
from airflow_ml_provider.spec.sources import SourceSpec
from airflow_ml_provider.spec.stage_arguments import shared_arguments


def source_arguments(spec: PipelineSpec, name: str, *, base_folder: str) -> dict[str, Any]:
    """Return the constructor's arguments of the task that claims a source's new data.

    Args:
        spec: The pipeline.
        name: The source.
        base_folder: Where its relative paths start.
    """
    source = spec.sources[name]
    arguments: dict[str, Any] = {
        **shared_arguments(spec, name, base_folder=base_folder),
        "source": name,
        "origin": origin_of(source),
        "settle": settle_of(source),
        "max_objects": source.max_objects,
    }
    if spec.image:
        arguments["image"] = spec.image
    return arguments


def origin_of(source: SourceSpec) -> Origin:
    """Return what a source is of."""
    match source.kind:
        case "uri":
            return Files(str(source.uri), source.partition)
        case "sql":
            lookback = source.lookback
            return SqlRows(
                sql=str(source.sql),
                watermark=str(source.watermark),
                key=source.key or (),
                conn_id=str(source.connection),
                partition=source.partition,
                lookback=lookback.total_seconds() if isinstance(lookback, dt.timedelta) else lookback,
            )
        case "model":
            connection = {"conn_id": source.connection} if source.connection else {}
            return ModelVersions(str(source.model), source.alias, **connection)
    return AssetEvents(str(source.asset), partitioned=source.partition is not None)


def settle_of(source: SourceSpec) -> dt.timedelta | Settling:
    """Return when its objects are written to their end."""
    if isinstance(source.settle, dt.timedelta):
        return source.settle
    if source.settle.marker is not None:
        return Marked(source.settle.marker)
    return Unchanged(source.settle.unchanged.total_seconds())
