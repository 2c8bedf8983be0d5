"""The keys ``pod`` and ``resources``; what they may hold is imported and built where a pipeline has them.

A stage's models are built at every parse of a DAG, and most stages say nothing of pods.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from airflow_ml_provider.spec.checked import Checked

if TYPE_CHECKING:
    from airflow_ml_provider.spec.pod import PodSpec
    from airflow_ml_provider.spec.resources import Resources

    PodSettings = PodSpec
    StageResources = Resources
else:

    def _pod_model():
        from airflow_ml_provider.spec.pod import PodSpec

        return PodSpec

    def _resources_model():
        from airflow_ml_provider.spec.resources import Resources

        return Resources

    def _of(model):
        def check(value):
            return value if isinstance(value, model()) else model().model_validate(value)

        return check

    PodSettings = Annotated[Any, Checked(_of(_pod_model), {"x-definition": "PodSpec"}, model=_pod_model)]
    StageResources = Annotated[
        Any, Checked(_of(_resources_model), {"x-definition": "Resources"}, model=_resources_model)
    ]
