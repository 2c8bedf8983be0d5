"""The tasks and the schedule that a pipeline's sources make."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from airflow.sdk import Asset, AssetWatcher, CronPartitionTimetable, PartitionedAssetTimetable, TaskGroup

from airflow_ml_provider.configuration import ml_settings
from airflow_ml_provider.dag_factory.described_pods import pod_arguments_of
from airflow_ml_provider.dag_factory.partition_keys import require_each_key_once
from airflow_ml_provider.decisions.data.settling import settling_of
from airflow_ml_provider.operators.source import SourceOperator
from airflow_ml_provider.operators.stage import StageOperator
from airflow_ml_provider.sources.origins import Files
from airflow_ml_provider.sources.source_arguments import origin_of, settle_of, source_arguments
from airflow_ml_provider.sources.watched_source import WatchedSource
from airflow_ml_provider.spec.partition_schedule import PartitionSchedule
from airflow_ml_provider.spec.pipeline import SOURCES, PipelineSpec
from airflow_ml_provider.triggers.new_data import NewDataTrigger

PRESET_CRON: Mapping[str, str] = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@quarterly": "0 0 1 */3 *",
    "@yearly": "0 0 1 1 *",
}


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
                exclusive=exclusive,
                **source_arguments(spec, name, base_folder=base_folder),
                **pod_arguments_of(spec, None, base_folder=base_folder),
            )
            for name in spec.sources
        }


def data_schedule(spec: PipelineSpec, *, base_folder: Path) -> Any:
    """Return the schedule of a pipeline that new data starts.

    That is the asset itself, or an asset that is watched in the triggerer.
    """
    name = spec.data_schedule
    assert name is not None
    source = spec.sources[name]
    if source.asset is not None:
        asset = Asset.ref(name=source.asset)
        return [asset] if source.partition is None else PartitionedAssetTimetable(assets=asset)
    watched = watched_source(spec, name, store=ml_settings(store=spec.store).store, base_folder=base_folder)
    trigger = NewDataTrigger(source=watched.to_plain(), poll=source.poll.total_seconds())
    made = f"{spec.pipeline}.{name}"
    watcher = AssetWatcher(name=made, trigger=trigger)
    return Asset(made, uri=f"x-airflow-ml://{spec.pipeline}/{name}", watchers=[watcher])


def partition_schedule(schedule: PartitionSchedule) -> CronPartitionTimetable:
    """Return the timetable of a schedule whose runs have a partition each.

    Raises:
        StageConfigurationError: A partition would come twice, or never.
    """
    cron = PRESET_CRON.get(schedule.cron, schedule.cron)
    require_each_key_once(cron=cron, timezone=schedule.timezone, offset=schedule.offset, key_format=schedule.partition)
    return CronPartitionTimetable(
        cron,
        timezone=schedule.timezone,
        run_offset=schedule.offset or None,
        key_format=schedule.partition,
    )


def watched_source(spec: PipelineSpec, name: str, *, store: str, base_folder: Path) -> WatchedSource:
    """Return a source of a pipeline as sensors, triggers and claims look at it.

    Args:
        spec: The pipeline.
        name: The source.
        store: URI of the artifact store.
        base_folder: Where relative paths start.
    """
    source = spec.sources[name]
    origin = origin_of(source)
    if isinstance(origin, Files) and "://" not in origin.uri:
        origin = replace(origin, uri=str(base_folder / origin.uri))
    return WatchedSource(store, spec.pipeline, name, origin, settling_of(settle_of(source)))
