"""What serves a model on KServe: the predictor of an InferenceService, made of the pods that a Deployment would have.

https://kserve.github.io/website/docs/reference/crd-api
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kubernetes.client import ApiClient, V1Deployment

from airflow_ml_provider.decisions.kserve import GROUP, VERSION, Ask
from airflow_ml_provider.pod.server import ENDPOINT_LABEL
from airflow_ml_provider.protocol.serving import PORT

CONTAINER = "kserve-container"
"""The container that serves; KServe and Knative know it by this name."""
OWNER_LABEL = f"{GROUP}/inferenceservice"
"""KServe's label of a pod that names its InferenceService."""
KNATIVE_REVISION_LABEL = "serving.knative.dev/revision"
"""Knative's label of a pod that names its revision."""
MARK_LABEL = "airflow-ml/put-back"
MODE_ANNOTATION = f"{GROUP}/deploymentMode"
WITH_KNATIVE, WITHOUT_KNATIVE = "Serverless", "RawDeployment"
"""Values of the mode that KServe takes since 0.7; later versions call them Knative and Standard too."""
_KNATIVE_MODES = (WITH_KNATIVE, "Knative")
KNATIVE_PORTS = (8012, 8013, 8112, 9090, 9091)
"""Where Knative's proxy in a pod takes requests, and tells how many there are
(https://github.com/knative/serving/blob/main/pkg/networking/constants.go)."""
COUNTS = ("minReplicas", "maxReplicas", "scaleMetric", "scaleTarget")
"""The keys of a predictor that say how many servers there are."""
_PERCENT = "canaryTrafficPercent"
_NOT_OF_KNATIVE = ("activeDeadlineSeconds", "restartPolicy", "securityContext", "terminationGracePeriodSeconds")
_OF_EVERY_CONTAINER = ("runAsUser", "runAsGroup", "runAsNonRoot", "seccompProfile")
_SET_BY_KNATIVE = ("PORT",)


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
        if autoscale is not None:
            annotations["autoscaling.knative.dev/class"] = "hpa.autoscaling.knative.dev"
    replicas = plain["spec"]["replicas"]
    counts = {"minReplicas": replicas, "maxReplicas": replicas}
    if autoscale is not None:
        counts |= {"maxReplicas": autoscale["max"], "scaleMetric": "cpu", "scaleTarget": autoscale["cpu"]}
    return {**spec, **counts, "labels": dict(template["metadata"]["labels"]), "annotations": annotations}


def inference_service(
    name: str, *, namespace: str, endpoint: str, knative: bool, predictor: Mapping[str, Any]
) -> dict[str, Any]:
    """Return an InferenceService.

    All its labels and annotations go to its pods, and a change of them makes new ones: what is served is not told here.
    """
    return {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": "InferenceService",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {ENDPOINT_LABEL: endpoint},
            "annotations": {MODE_ANNOTATION: WITH_KNATIVE if knative else WITHOUT_KNATIVE},
        },
        "spec": {"predictor": dict(predictor)},
    }


def runs_on_knative(found: Mapping[str, Any]) -> bool:
    """Whether an InferenceService runs on Knative."""
    status = found.get("status", {}).get("deploymentMode")
    return (status or found["metadata"].get("annotations", {}).get(MODE_ANNOTATION)) in _KNATIVE_MODES


def asking(predictor: Mapping[str, Any], ask: Ask) -> dict[str, Any]:
    """Return a predictor with the part of the requests that is asked for."""
    asked = {key: value for key, value in predictor.items() if key != _PERCENT}
    asked["labels"] = {key: value for key, value in asked["labels"].items() if key != MARK_LABEL}
    if ask.mark:
        asked["labels"][MARK_LABEL] = ask.mark
    return asked if ask.percent is None else {**asked, _PERCENT: ask.percent}


def counts(predictor: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a predictor says about how many servers there are."""
    return {key: predictor.get(key) for key in COUNTS}


def _fit_for_knative(spec: dict[str, Any], serves: dict[str, Any], start_seconds: float) -> None:
    of_pod = spec.get("securityContext", {})
    shared = {key: of_pod[key] for key in _OF_EVERY_CONTAINER if key in of_pod}
    for key in (*_NOT_OF_KNATIVE, *(key for key, value in spec.items() if value in ({}, [], ""))):
        spec.pop(key, None)
    for one in spec["containers"]:
        one.pop("lifecycle", None)
        one.pop("startupProbe", None)
        one["securityContext"] = {**shared, **one.get("securityContext", {})}
        one["env"] = [variable for variable in one.get("env", ()) if variable["name"] not in _SET_BY_KNATIVE]
    serves["livenessProbe"] = {**serves["livenessProbe"], "initialDelaySeconds": max(1, int(start_seconds))}
