"""Which operator runs a kind of stage."""

from __future__ import annotations

from airflow.sdk import BaseOperator

from airflow_ml_provider.errors import StageConfigurationError
from airflow_ml_provider.kind_registry import BUILT_IN, KindError, find_kind, load_part
from airflow_ml_provider.operators.stage import StageOperator


def operator_of(name: str) -> type[BaseOperator]:
    """Return the operator class of a kind.

    Raises:
        StageConfigurationError: No package brings it, or not properly.
    """
    try:
        kind = find_kind(name)
        if kind is None:
            raise StageConfigurationError(f"no installed package brings the kind {name!r}")
        base = BaseOperator if name in BUILT_IN else StageOperator
        operator: type[BaseOperator] = load_part(name, kind.operator, base=base)
    except KindError as error:
        raise StageConfigurationError(str(error)) from error
    if issubclass(operator, StageOperator) and operator.stage_class.kind not in (name, "stage"):
        raise StageConfigurationError(
            f"kind {name!r}: the stage_class of {kind.operator} is of kind {operator.stage_class.kind!r}"
        )
    return operator
