"""Which operator runs a kind of stage."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import entry_points

from airflow.sdk import BaseOperator

from airflow_ml_provider.errors import StageConfigurationError
from airflow_ml_provider.operators.stage import StageOperator

OPERATORS_GROUP = "airflow_ml_provider.stage_operators"
"""Entry points by which a package brings the operator of its kind: ``kind = "package.module:Operator"``."""

OPERATORS: Mapping[str, str] = {
    "ingest": "IngestOperator",
    "validate": "ValidateOperator",
    "feature_engineering": "FeatureEngineeringOperator",
    "train": "TrainOperator",
    "tune": "TuneOperator",
    "evaluate": "EvaluateOperator",
    "register": "RegisterOperator",
    "approve": "ApproveOperator",
    "serve": "ServeOperator",
    "batch_predict": "BatchPredictOperator",
    "monitor": "MonitorOperator",
    "container": "ContainerOperator",
}


def operator_of(kind: str) -> type[BaseOperator]:
    """Return the operator class of a kind; other packages are looked at only for a kind that is not built in.

    Raises:
        StageConfigurationError: No package brings it, or not properly.
    """
    if kind in OPERATORS:
        found_class: type[BaseOperator] = getattr(import_module("airflow_ml_provider.operators"), OPERATORS[kind])
        return found_class
    for found in entry_points(group=OPERATORS_GROUP, name=kind):
        try:
            operator = found.load()
        except (ImportError, AttributeError) as error:
            raise StageConfigurationError(
                f"the operator of kind {kind!r} ({found.value}) cannot be loaded: {error}; update or remove its package"
            ) from error
        if not (
            isinstance(operator, type) and issubclass(operator, StageOperator) and operator.stage_class.kind == kind
        ):
            raise StageConfigurationError(
                f"{found.value} is not a subclass of StageOperator whose stage_class has kind = {kind!r}"
            )
        return operator
    raise StageConfigurationError(
        f"no installed package brings an operator for kind {kind!r} (entry point {OPERATORS_GROUP})"
    )
