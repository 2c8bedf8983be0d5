"""Where a serve stage serves on a cluster: a Deployment, or an InferenceService."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kubernetes.client import ApiClient

from airflow_ml_provider.decisions.serving.rollout import Revision, shared_requests
from airflow_ml_provider.errors import StageConfigurationError
from airflow_ml_provider.hooks.inference_services import InferenceServices
from airflow_ml_provider.hooks.pods import Pods
from airflow_ml_provider.hooks.serving_objects import ServingObjects
from airflow_ml_provider.pod.predictor import predictor
from airflow_ml_provider.pod.server import server_deployment
from airflow_ml_provider.protocol.request import StageRequest
from airflow_ml_provider.serving.deployment_target import DeploymentTarget
from airflow_ml_provider.serving.kserve_target import KServeTarget

if TYPE_CHECKING:
    from kubernetes.client import V1Deployment

    from airflow_ml_provider.runners.pod_settings import PodSettings
    from airflow_ml_provider.serving.serve_settings import ServeSettings
    from airflow_ml_provider.serving.target import ServingTarget

_RANDOM_NAME = re.compile(r"secretvol[0-9a-f-]{8,}")
_LONGEST_ON_KSERVE = 40
_OF_A_TASK = ("airflow_version", "airflow_kpo_in_cluster")
"""Labels that KubernetesPodOperator gives every pod."""


def cluster_place(
    stage: ServeSettings,
    pods: PodSettings,
    request: StageRequest,
    *,
    endpoint: str,
    pipeline: str,
    server: Mapping[str, Any],
) -> tuple[ServingTarget, dict[str, Any]]:
    """Return the endpoint, and what its servers are made of.

    Args:
        stage: The stage.
        pods: How its arguments describe a pod, which servers are like.
        request: The servers' request.
        endpoint: The endpoint's name.
        pipeline: The pipeline (DAG) that it belongs to.
        server: What of the request makes one server another.

    Raises:
        StageConfigurationError: The arguments give no server.
    """
    pod = pods.build_unlabelled()
    labels = {key: value for key, value in (pod.metadata.labels or {}).items() if key not in _OF_A_TASK}

    def deployment(revision: Revision, replicas: int) -> V1Deployment:
        return server_deployment(
            pod,
            request,
            endpoint=endpoint,
            revision=revision,
            replicas=replicas,
            container=pods.container,
            start_seconds=stage.ready_timeout.total_seconds(),
            labels=labels,
        )

    made_of: dict[str, Any] = {
        "pod": _without_chance(ApiClient().sanitize_for_serialization(pod.spec)),
        "labels": labels,
        "annotations": dict(pod.metadata.annotations or {}),
        "server": dict(server),
        "start_seconds": stage.ready_timeout.total_seconds(),
    }
    namespace = pod.metadata.namespace
    namespaced = Pods(pods.client(), namespace=namespace)
    if stage.target == "kserve":
        if len(endpoint) > _LONGEST_ON_KSERVE or endpoint.endswith("-next"):
            raise StageConfigurationError(
                f"stage {stage.task_id!r}: endpoint {endpoint!r}: on KServe it has {_LONGEST_ON_KSERVE} "
                f"characters at most, and does not end with '-next', as candidates do"
            )
        on_kserve = KServeTarget(
            InferenceServices(pods.client(), namespace=namespace),
            namespaced,
            endpoint=endpoint,
            pipeline=pipeline,
            predictor=lambda revision, knative: predictor(
                deployment(revision, stage.replicas),
                container=pods.container,
                knative=knative,
                autoscale=stage.autoscale,
                start_seconds=stage.ready_timeout.total_seconds(),
            ),
            sharing=shared_requests(stage.canary, stage.guard),
            seconds=stage.ready_timeout.total_seconds(),
        )
        return on_kserve, {**made_of, "target": stage.target}
    target = DeploymentTarget(
        ServingObjects(pods.client(), namespace=namespace),
        namespaced,
        endpoint=endpoint,
        pipeline=pipeline,
        deployment=deployment,
        autoscale=stage.autoscale,
        container=pods.container,
    )
    return target, made_of


def _without_chance(spec: Any) -> Any:
    """Return a pod's spec without the names that KubernetesPodOperator gives volumes of Secrets at random."""
    text = json.dumps(spec, sort_keys=True)
    for number, name in enumerate(dict.fromkeys(_RANDOM_NAME.findall(text))):
        text = text.replace(name, f"secret-{number}")
    return json.loads(text)
