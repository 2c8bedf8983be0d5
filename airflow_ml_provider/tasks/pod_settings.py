"""How an operator's arguments describe the pod of its stage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.providers.cncf.kubernetes.utils.pod_manager import OnFinishAction

from airflow_ml_provider.runners.pod_settings import PodSettings

if TYPE_CHECKING:
    from airflow.sdk import Context
    from kubernetes.client import V1Pod

    from airflow_ml_provider.settings import MlSettings


def pod_settings(operator: KubernetesPodOperator, context: Context, *, settings: MlSettings, **own: Any) -> PodSettings:
    """Return the pod of a stage.

    Args:
        operator: The stage, its templates rendered.
        context: The task's context.
        settings: The section ``[ml]``, with what the operator says itself.
        own: Fields of the pod's settings that KubernetesPodOperator has no argument for.
    """

    def image() -> str:
        templates = (settings.pod_template, operator.pod_template_file, operator.pod_template_dict)
        if operator.image or not (any(templates) or operator.full_pod_spec):
            return str(operator.image or settings.image or "")
        pod: V1Pod = operator.build_pod_request_obj(None)
        images = [found.image for found in pod.spec.containers if found.name == operator.base_container_name]
        return str(images[0] or "") if images else ""

    other = operator.pod_template_dict or operator.full_pod_spec
    return PodSettings(
        task_id=operator.task_id,
        name=operator.name or "",
        container=operator.base_container_name,
        template="" if other else str(operator.pod_template_file or settings.pod_template),
        build=lambda: operator.build_pod_request_obj(context),
        build_unlabelled=lambda: operator.build_pod_request_obj(None),
        image=image,
        named_image=str(operator.image or settings.image or ""),
        client=lambda: operator.client,
        access={
            "conn_id": operator.kubernetes_conn_id,
            "in_cluster": operator.in_cluster,
            "config_file": operator.config_file,
            "cluster_context": operator.cluster_context,
        },
        startup_seconds=operator.startup_timeout_seconds,
        execution_timeout=operator.execution_timeout,
        started=getattr(context["ti"], "start_date", None),
        deferrable=operator.deferrable,
        defer_after=settings.defer_after,
        defer=operator.defer,
        keep_on_kill=operator.on_kill_action.value == "keep_pod",
        on_finish_action=OnFinishAction(operator.on_finish_action).value,
        grace_seconds=operator.termination_grace_period,
        callbacks=operator.callbacks,
        about={"operator": operator, "context": context},
        **own,
    )
