"""A stage and its pod as they are after rendering, for tests that make an operator and no run."""

from types import SimpleNamespace
from typing import Any

from airflow_ml_provider.kinds.stage import Stage
from airflow_ml_provider.operators.stage import StageOperator
from airflow_ml_provider.runners.pod_settings import PodSettings

CONTEXT: Any = {"dag": SimpleNamespace(fileloc="/dags/d.py", tasks=[]), "ti": SimpleNamespace(start_date=None)}


def settled(operator: StageOperator) -> Stage:
    """Return the stage of an operator."""
    return operator.stage(CONTEXT)


def described(operator: StageOperator) -> PodSettings:
    """Return the pod of an operator."""
    return operator.pod_settings(CONTEXT, staged=settled(operator).is_staged)
