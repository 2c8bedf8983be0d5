"""Keys whose content is imported and built where a pipeline has it: pod, resources, cache, sources, schedule: {data}.

A stage's models are built at every parse of a DAG, and most stages say nothing of these.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel

from airflow_ml_provider.spec.checked import Checked
from airflow_ml_provider.spec.fields import cron_or_preset

if TYPE_CHECKING:
    from airflow_ml_provider.spec.cache import CacheSpec
    from airflow_ml_provider.spec.drift_schedule import DriftSchedule
    from airflow_ml_provider.spec.partition_schedule import PartitionSchedule
    from airflow_ml_provider.spec.pod import PodSpec
    from airflow_ml_provider.spec.resources import Resources
    from airflow_ml_provider.spec.sources import DataSchedule, SourceSpec

    CacheSetting = bool | CacheSpec
    Schedule = str | DataSchedule | DriftSchedule | PartitionSchedule
    Sources = dict[str, SourceSpec]
    PodSettings = PodSpec
    StageResources = Resources
else:

    def _cache_model():
        from airflow_ml_provider.spec.cache import CacheSpec

        return CacheSpec

    def _pod_model():
        from airflow_ml_provider.spec.pod import PodSpec

        return PodSpec

    def _resources_model():
        from airflow_ml_provider.spec.resources import Resources

        return Resources

    def _source_model():
        from airflow_ml_provider.spec.sources import SourceSpec

        return SourceSpec

    def _data_schedule():
        from airflow_ml_provider.spec.sources import DataSchedule

        return DataSchedule

    def _drift_schedule():
        from airflow_ml_provider.spec.drift_schedule import DriftSchedule

        return DriftSchedule

    def _partition_schedule():
        from airflow_ml_provider.spec.partition_schedule import PartitionSchedule

        return PartitionSchedule

    def _of(model):
        def check(value):
            return value if isinstance(value, model()) else model().model_validate(value)

        return check

    def _cache(value):
        if isinstance(value, bool):
            return value
        if not isinstance(value, Mapping | _cache_model()):
            raise ValueError(f"{value!r} is neither true, false nor a mapping with ttl, ignore, version and image")
        return _of(_cache_model)(value)

    def _sources(value):
        if not isinstance(value, Mapping):
            raise ValueError(f"{value!r} is not a mapping: write NAME: {{uri: ...}}")
        if not value:
            return {}
        from airflow_ml_provider.spec.sources import SOURCES

        return SOURCES.validate_python(value)

    def _schedule(value):
        if isinstance(value, BaseModel):
            return value
        if not isinstance(value, Mapping):
            return cron_or_preset(value)
        return _of(_partition_schedule if "cron" in value else _drift_schedule if "drift" in value else _data_schedule)(
            value
        )

    CacheSetting = Annotated[
        Any,
        Checked(_cache, {"anyOf": [{"type": "boolean"}, {"x-definition": "CacheSpec"}]}, model=_cache_model),
    ]
    PodSettings = Annotated[Any, Checked(_of(_pod_model), {"x-definition": "PodSpec"}, model=_pod_model)]
    StageResources = Annotated[
        Any, Checked(_of(_resources_model), {"x-definition": "Resources"}, model=_resources_model)
    ]
    Sources = Annotated[
        Any,
        Checked(
            _sources,
            {"type": "object", "additionalProperties": {"x-definition": "SourceSpec"}},
            model=_source_model,
        ),
    ]
    Schedule = Annotated[
        Any,
        Checked(
            _schedule,
            {
                "anyOf": [
                    {"type": "string"},
                    *({"x-definition": name} for name in ("DataSchedule", "DriftSchedule", "PartitionSchedule")),
                ]
            },
            model=_data_schedule,
        ),
    ]
