"""Any command or function that is none of the other kinds."""

from __future__ import annotations

from typing import ClassVar

from airflow_ml_provider.kinds.plain import ContainerStage
from airflow_ml_provider.kinds.stage import Stage
from airflow_ml_provider.operators.stage import StageOperator


class ContainerOperator(StageOperator):
    """Runs a command in any language, or a Python function, with inputs, outputs and metrics."""

    stage_class: ClassVar[type[Stage]] = ContainerStage
