"""The tasks and the schedule that a pipeline's sources make."""

from __future__ import annotations

from pathlib import Path

from airflow.sdk import Asset, AssetWatcher, TaskGroup

from airflow_ml_provider.dag_factory.stage_arguments import source_arguments
from airflow_ml_provider.operators.settings import MlSettings
from airflow_ml_provider.operators.source import SourceOperator
from airflow_ml_provider.operators.stage import StageOperator
from airflow_ml_provider.spec.pipeline import SOURCES, PipelineSpec
from airflow_ml_provider.triggers.new_data import NewDataTrigger


def source_tasks(spec: PipelineSpec, *, base_folder: str, exclusive: bool) -> dict[str, StageOperator]:
    """Return the tasks that claim new data, by reference (``sources.flights``); called within a DAG.

    Args:
        spec: The pipeline.
        base_folder: Where its relative paths start.
        exclusive: Whether they claim.
    """
    with TaskGroup(SOURCES, tooltip="Claim new data"):
        return {
            f"{SOURCES}.{name}": SourceOperator(
                exclusive=exclusive, **source_arguments(spec, name, base_folder=base_folder)
            )
            for name in spec.sources
        }


def data_schedule(spec: PipelineSpec, *, base_folder: Path) -> Asset:
    """Return the schedule of a pipeline that new data starts: an asset that is watched in the triggerer."""
    name = spec.data_schedule
    assert name is not None
    source = spec.sources[name]
    trigger = NewDataTrigger(
        store=MlSettings.read(store=spec.store).store,
        pipeline=spec.pipeline,
        source=name,
        uri=source.uri if "://" in source.uri else str(base_folder / source.uri),
        settle=source.settle.total_seconds(),
        poll=source.poll.total_seconds(),
    )
    asset = f"{spec.pipeline}.{name}"
    watcher = AssetWatcher(name=asset, trigger=trigger)
    return Asset(asset, uri=f"x-airflow-ml://{spec.pipeline}/{name}", watchers=[watcher])
