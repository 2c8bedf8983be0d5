"""What serves a model on KServe: the predictor of an InferenceService, made of the pods that a Deployment would have.

https://kserve.github.io/website/docs/reference/crd-api
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kubernetes.client import ApiClient, V1Deployment

from airflow_ml_provider.decisions.serving.kserve import GROUP, VERSION, Ask
from airflow_ml_provider.pod.server import ENDPOINT_LABEL
from airflow_ml_provider.protocol.serving import PORT

CONTAINER = "kserve-container"
"""The container that serves; KServe and Knative know it by this name."""
OWNER_LABEL = f"{GROUP}/inferenceservice"
"""KServe's label of a pod that names its InferenceService."""
KNATIVE_REVISION_LABEL = "serving.knative.dev/revision"
"""Knative's label of a pod that names its revision."""
MARK_LABEL = "airflow-ml/put-back"
"""Our label of a spec that was put back: Knative takes it for a new one."""
KNATIVE_PORTS = (8012, 8013, 8112, 9090, 9091)
"""Where Knative's proxy in a pod takes requests, and reports how many there are
(https://github.com/knative/serving/blob/main/pkg/networking/constants.go)."""
_MODE_ANNOTATION = f"{GROUP}/deploymentMode"
_COUNTS = ("minReplicas", "maxReplicas", "scaleMetric", "scaleTarget")
_WITH_KNATIVE, _WITHOUT_KNATIVE = "Serverless", "RawDeployment"
_KNATIVE_MODES = (_WITH_KNATIVE, "Knative")
_CLASS_ANNOTATION = "autoscaling.knative.dev/class"
_PERCENT = "canaryTrafficPercent"
_NOT_OF_KNATIVE = ("activeDeadlineSeconds", "restartPolicy", "securityContext", "terminationGracePeriodSeconds")
_OF_EVERY_CONTAINER = ("runAsUser", "runAsGroup", "runAsNonRoot", "seccompProfile")
_SET_BY_KNATIVE = "PORT"


def predictor(
    deployment: V1Deployment,
    *,
    container: str,
    knative: bool,
    autoscale: Mapping[str, int] | None,
    start_seconds: float,
) -> dict[str, Any]:
    """Return the predictor whose pods are those of a Deployment.

    Knative admits less than Kubernetes does (https://github.com/knative/serving/blob/main/pkg/apis/serving/fieldmask.go):
    what is said of the whole pod is said of its containers, and what Knative does itself, the draining and the first
    start, is left to it.

    Args:
        deployment: The Deployment.
        container: The name of its container that serves.
        knative: Whether it runs on Knative.
        autoscale: ``max`` servers and ``cpu`` in percent; ``None`` for as many as the Deployment has.
        start_seconds: How long a server may take until it is ready.
    """
    plain = ApiClient().sanitize_for_serialization(deployment)
    template = plain["spec"]["template"]
    spec, annotations = dict(template["spec"]), dict(template["metadata"].get("annotations") or {})
    serves = next(one for one in spec["containers"] if one["name"] == container)
    serves |= {"name": CONTAINER, "ports": [{"containerPort": PORT, "protocol": "TCP"}]}
    spec["containers"] = [serves, *(one for one in spec["containers"] if one is not serves)]
    if knative:
        _fit_for_knative(spec, serves, start_seconds)
        annotations["serving.knative.dev/progress-deadline"] = f"{max(1, int(start_seconds))}s"
    replicas = plain["spec"]["replicas"]
    counts = {"minReplicas": replicas, "maxReplicas": replicas}
    if autoscale is not None:
        counts |= {"maxReplicas": autoscale["max"], "scaleMetric": "cpu", "scaleTarget": autoscale["cpu"]}
    return {**spec, **counts, "labels": dict(template["metadata"]["labels"]), "annotations": annotations}


def inference_service(
    name: str, *, namespace: str, endpoint: str, mode: str, predictor: Mapping[str, Any]
) -> dict[str, Any]:
    """Return an InferenceService.

    All its labels and annotations go to its pods, and a change of them makes new pods: what is served is not in them.

    Args:
        name: Its name.
        namespace: The namespace.
        endpoint: The endpoint's name; one that is called otherwise is asked inside the cluster only.
        mode: KServe's deployment mode.
        predictor: The predictor.
    """
    labels = {ENDPOINT_LABEL: endpoint}
    return {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": "InferenceService",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": labels if name == endpoint else {**labels, "networking.kserve.io/visibility": "cluster-local"},
            "annotations": {_MODE_ANNOTATION: mode, **_scaling(predictor)},
        },
        "spec": {"predictor": dict(predictor)},
    }


def changed(found: Mapping[str, Any], *, predictor: Mapping[str, Any]) -> dict[str, Any]:
    """Return an InferenceService with another predictor, and the mode under the name that its KServe gives it.

    KServe 0.16 refuses every change while the annotation and its status call the mode differently
    (https://github.com/kserve/kserve/issues/4798).
    """
    annotations = dict(found["metadata"].get("annotations", {}))
    annotations[_MODE_ANNOTATION] = mode_of(found)
    annotations.pop(_CLASS_ANNOTATION, None)
    metadata = {**found["metadata"], "annotations": {**annotations, **_scaling(predictor)}}
    return {**found, "metadata": metadata, "spec": {**found["spec"], "predictor": dict(predictor)}}


def mode_of(found: Mapping[str, Any]) -> str:
    """Return KServe's deployment mode of an InferenceService, as its status says, or as it was asked for."""
    asked = found["metadata"].get("annotations", {}).get(_MODE_ANNOTATION, "")
    return str(found.get("status", {}).get("deploymentMode") or asked)


def asked_mode(*, knative: bool) -> str:
    """Return how KServe's deployment mode is asked for; later versions take these names too."""
    return _WITH_KNATIVE if knative else _WITHOUT_KNATIVE


def runs_on_knative(found: Mapping[str, Any]) -> bool:
    """Whether an InferenceService runs on Knative."""
    return mode_of(found) in _KNATIVE_MODES


def asking(predictor: Mapping[str, Any], ask: Ask) -> dict[str, Any]:
    """Return a predictor with the part of the requests that is asked for."""
    asked = {key: value for key, value in predictor.items() if key != _PERCENT and value is not None}
    asked["labels"] = {key: value for key, value in asked["labels"].items() if key != MARK_LABEL}
    if ask.mark:
        asked["labels"][MARK_LABEL] = ask.mark
    return asked if ask.percent is None else {**asked, _PERCENT: ask.percent}


def counts(predictor: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a predictor says about how many servers there are."""
    return {key: predictor.get(key) for key in _COUNTS}


def _scaling(predictor: Mapping[str, Any]) -> dict[str, str]:
    # KServe judges the metric by the class on the InferenceService, not on the predictor.
    return {_CLASS_ANNOTATION: "hpa.autoscaling.knative.dev"} if predictor.get("scaleMetric") else {}


def _fit_for_knative(spec: dict[str, Any], serves: dict[str, Any], start_seconds: float) -> None:
    of_pod = spec.get("securityContext", {})
    shared = {key: of_pod[key] for key in _OF_EVERY_CONTAINER if key in of_pod}
    for key in (*_NOT_OF_KNATIVE, *(key for key, value in spec.items() if value in ({}, [], ""))):
        spec.pop(key, None)
    for one in (*spec.get("initContainers", ()), *spec["containers"]):
        one.pop("lifecycle", None)
        one.pop("startupProbe", None)
        one["securityContext"] = {**shared, **one.get("securityContext", {})}
    serves["env"] = [variable for variable in serves["env"] if variable["name"] != _SET_BY_KNATIVE]
    serves["livenessProbe"] = {**serves["livenessProbe"], "initialDelaySeconds": max(1, int(start_seconds))}
