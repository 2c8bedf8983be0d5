"""What serves a model on Kubernetes: a Service, and for each revision a Deployment of pods that are as a stage's."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from typing import Any

from kubernetes.client import (
    V1ContainerPort,
    V1Deployment,
    V1DeploymentSpec,
    V1HTTPGetAction,
    V1LabelSelector,
    V1Lifecycle,
    V1LifecycleHandler,
    V1ObjectMeta,
    V1Pod,
    V1PodTemplateSpec,
    V1Probe,
    V1Service,
    V1ServicePort,
    V1ServiceSpec,
    V1SleepAction,
    V2CrossVersionObjectReference,
    V2HorizontalPodAutoscaler,
    V2HorizontalPodAutoscalerSpec,
    V2MetricSpec,
    V2MetricTarget,
    V2ResourceMetricSource,
)

from airflow_ml_provider.decisions.serving.command_server import command_server_variables
from airflow_ml_provider.decisions.serving.rollout import ALL, Revision, Serving
from airflow_ml_provider.pod.compose import stage_container
from airflow_ml_provider.pod.injection import BOOTSTRAP, packed_runtime
from airflow_ml_provider.pod.security import restrict
from airflow_ml_provider.pod.variables import literal, with_variables
from airflow_ml_provider.protocol.environment import REQUEST_VARIABLE, RUNTIME_VARIABLE
from airflow_ml_provider.protocol.request import StageRequest
from airflow_ml_provider.protocol.serving import ENDPOINT_VARIABLE, PORT, SERVER, metrics_port
from airflow_ml_provider.protocol.staged import STEP_VARIABLE

ENDPOINT_LABEL = "airflow-ml/endpoint"
REVISION_LABEL = "airflow-ml/revision"
STATE_ANNOTATION = "airflow-ml/serving"
PIPELINE_ANNOTATION = "airflow-ml/pipeline"
READY_PATH = "/ping"

_NOBODY = "none"
_GRACE_SECONDS = 60
_CLOSING_SECONDS = 15


def server_deployment(
    pod: V1Pod,
    request: StageRequest,
    *,
    endpoint: str,
    revision: Revision,
    replicas: int,
    container: str,
    start_seconds: float,
    labels: Mapping[str, str],
) -> V1Deployment:
    """Return the Deployment of a revision.

    Args:
        pod: The pod as the operator's arguments, template and connection describe it.
        request: What each server does; with a command, that command is the server.
        endpoint: The endpoint's name.
        revision: The revision.
        replicas: How many servers there are.
        container: The name of the container that serves.
        start_seconds: How long a server may take until it is ready.
        labels: The author's own, for the pods.

    Raises:
        StageConfigurationError: The pod has no such container.
    """
    spec = copy.deepcopy(pod.spec)
    spec.restart_policy, spec.active_deadline_seconds = "Always", None
    if spec.termination_grace_period_seconds is None:
        spec.termination_grace_period_seconds = _GRACE_SECONDS
    found = stage_container(pod, container, stage=request.stage)
    base = spec.containers[pod.spec.containers.index(found)]
    served = {ENDPOINT_VARIABLE: endpoint}
    if request.command:
        base.command, base.args = [literal(part) for part in request.command], None
        base.env = with_variables(base.env, {**served, **command_server_variables(request, port=PORT)})
        # It knows nothing of leaving: until it receives SIGTERM no new connection reaches it any more.
        base.lifecycle = base.lifecycle or V1Lifecycle(
            pre_stop=V1LifecycleHandler(sleep=V1SleepAction(seconds=_CLOSING_SECONDS))
        )
    else:
        base.command, base.args = ["python3", "-c", BOOTSTRAP], None
        base.env = with_variables(
            base.env,
            {
                **served,
                REQUEST_VARIABLE: request.to_json(),
                RUNTIME_VARIABLE: packed_runtime(),
                STEP_VARIABLE: SERVER,
                "PYTHONUNBUFFERED": "1",
            },
        )
    base.ports = [V1ContainerPort(container_port=PORT, name="http")]
    if not request.command:
        base.ports.append(V1ContainerPort(container_port=metrics_port(PORT), name="metrics"))
    base.startup_probe = _probe(failures=max(3, int(start_seconds)), period=1)
    base.readiness_probe = _probe(failures=2, period=2)
    base.liveness_probe = _probe(failures=6, period=10)
    restrict(spec)
    own = revision_labels(endpoint, revision)
    return V1Deployment(
        api_version="apps/v1",
        kind="Deployment",
        metadata=V1ObjectMeta(name=deployment_name(endpoint, revision), namespace=pod.metadata.namespace, labels=own),
        spec=V1DeploymentSpec(
            replicas=replicas,
            selector=V1LabelSelector(match_labels=own),
            template=V1PodTemplateSpec(
                metadata=V1ObjectMeta(labels={**labels, **own}, annotations=pod.metadata.annotations), spec=spec
            ),
        ),
    )


def revision_labels(endpoint: str, revision: Revision) -> dict[str, str]:
    """Return the labels of all that serves a revision."""
    return {ENDPOINT_LABEL: endpoint, REVISION_LABEL: revision.name}


def deployment_name(endpoint: str, revision: Revision) -> str:
    """Return the name of a revision's Deployment."""
    return f"{endpoint}-{revision.name}"


def service(endpoint: str, *, namespace: str, serving: Serving, pipeline: str) -> V1Service:
    """Return the Service of an endpoint."""
    change = service_change(endpoint, serving)
    return V1Service(
        api_version="v1",
        kind="Service",
        metadata=V1ObjectMeta(
            name=endpoint,
            namespace=namespace,
            labels={ENDPOINT_LABEL: endpoint},
            annotations={**change["metadata"]["annotations"], PIPELINE_ANNOTATION: pipeline},
        ),
        spec=V1ServiceSpec(
            selector={key: value for key, value in change["spec"]["selector"].items() if value is not None},
            ports=[V1ServicePort(name="http", port=80, target_port=PORT)],
        ),
    )


def service_change(endpoint: str, serving: Serving) -> dict[str, Any]:
    """Return the patch by which a Service sends requests where they belong, and says so."""
    if serving.candidate is not None and serving.percent >= ALL:
        revision: str | None = serving.candidate.name
    elif serving.candidate is not None and serving.percent > 0:
        # There are pods of two revisions at most, and both get requests: as many as there are of each.
        revision = None
    else:
        revision = _NOBODY if serving.stable is None else serving.stable.name
    return {
        "metadata": {"annotations": {STATE_ANNOTATION: json.dumps(serving.to_plain(), sort_keys=True)}},
        "spec": {"selector": {ENDPOINT_LABEL: endpoint, REVISION_LABEL: revision}},
    }


def autoscaler(
    endpoint: str, revision: Revision, *, namespace: str, replicas: int, most: int, cpu: int
) -> V2HorizontalPodAutoscaler:
    """Return what scales a revision by the use of its CPU.

    Args:
        endpoint: The endpoint's name.
        revision: The revision.
        namespace: The namespace.
        replicas: The fewest servers.
        most: The most servers.
        cpu: Which part of the CPU that its pods ask for is to be used, in percent.
    """
    name = deployment_name(endpoint, revision)
    target = V2MetricTarget(type="Utilization", average_utilization=cpu)
    return V2HorizontalPodAutoscaler(
        api_version="autoscaling/v2",
        kind="HorizontalPodAutoscaler",
        metadata=V1ObjectMeta(name=name, namespace=namespace, labels=revision_labels(endpoint, revision)),
        spec=V2HorizontalPodAutoscalerSpec(
            scale_target_ref=V2CrossVersionObjectReference(api_version="apps/v1", kind="Deployment", name=name),
            min_replicas=replicas,
            max_replicas=most,
            metrics=[V2MetricSpec(type="Resource", resource=V2ResourceMetricSource(name="cpu", target=target))],
        ),
    )


def selector(labels: Mapping[str, str]) -> str:
    """Return a label selector."""
    return ",".join(f"{key}={value}" for key, value in labels.items())


def addresses(pods: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return where the pods that are ready listen."""
    return sorted(
        f"http://{_host(pod['status']['podIP'])}:{PORT}"
        for pod in pods
        if "deletionTimestamp" not in pod["metadata"]
        and any(one["type"] == "Ready" and one["status"] == "True" for one in pod["status"].get("conditions", ()))
    )


def _host(ip: str) -> str:
    return f"[{ip}]" if ":" in ip else ip


def _probe(*, failures: int, period: int) -> V1Probe:
    return V1Probe(
        http_get=V1HTTPGetAction(path=READY_PATH, port=PORT),
        period_seconds=period,
        timeout_seconds=5,
        failure_threshold=failures,
    )
