"""What a kind's stages are after rendering."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import entry_points

from airflow_ml_provider.errors import StageConfigurationError
from airflow_ml_provider.kinds.stage import Stage

STAGES_GROUP = "airflow_ml_provider.stages"
"""Entry points by which a package brings what stages of its kind are: ``kind = "package.module:Stage"``."""

STAGES: Mapping[str, str] = {
    "ingest": "airflow_ml_provider.kinds.ingest:IngestStage",
    "validate": "airflow_ml_provider.kinds.validate:ValidateStage",
    "feature_engineering": "airflow_ml_provider.kinds.plain:FeatureEngineeringStage",
    "train": "airflow_ml_provider.kinds.plain:TrainStage",
    "tune": "airflow_ml_provider.kinds.tune:TuneStage",
    "evaluate": "airflow_ml_provider.kinds.evaluate:EvaluateStage",
    "register": "airflow_ml_provider.kinds.register:RegisterStage",
    "serve": "airflow_ml_provider.serving.serve_stage:ServeStage",
    "batch_predict": "airflow_ml_provider.kinds.batch_predict:BatchPredictStage",
    "monitor": "airflow_ml_provider.kinds.monitor:MonitorStage",
    "container": "airflow_ml_provider.kinds.plain:ContainerStage",
}


def stage_class(kind: str) -> type[Stage] | None:
    """Return the stage class of a kind, ``None`` where only an operator knows what it does.

    Raises:
        StageConfigurationError: The package that brings it is broken.
    """
    if kind in STAGES:
        module, _, name = STAGES[kind].partition(":")
        found: type[Stage] = getattr(import_module(module), name)
        return found
    for entry in entry_points(group=STAGES_GROUP, name=kind):
        try:
            loaded = entry.load()
        except (ImportError, AttributeError) as error:
            raise StageConfigurationError(
                f"the stage of kind {kind!r} ({entry.value}) cannot be loaded: {error}; update or remove its package"
            ) from error
        if not (isinstance(loaded, type) and issubclass(loaded, Stage) and loaded.kind == kind):
            raise StageConfigurationError(f"{entry.value} is not a subclass of Stage of kind {kind!r}")
        return loaded
    return None
