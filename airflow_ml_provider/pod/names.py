"""A pod's name and labels: found again by anybody who knows the task instance, valid however long its ids are."""

from __future__ import annotations

import hashlib
import re

from airflow.providers.cncf.kubernetes.pod_generator import make_safe_label_value

from airflow_ml_provider.protocol.request import StageRequest

KIND_LABEL = "airflow-ml/kind"
PIPELINE_LABEL = "airflow-ml/pipeline"
STAGE_LABEL = "airflow-ml/stage"
RUN_LABEL = "airflow-ml/run"
ATTEMPT_LABEL = "airflow-ml/attempt"
ATTEMPT_URI_ANNOTATION = "airflow-ml/attempt-uri"
DAG_ANNOTATION = "airflow-ml/dag"
DAG_RUN_ANNOTATION = "airflow-ml/dag-run"
TASK_ANNOTATION = "airflow-ml/task"
MAP_INDEX_ANNOTATION = "airflow-ml/map-index"
ON_FINISH_ANNOTATION = "airflow-ml/on-finish"
CONTAINER_ANNOTATION = "airflow-ml/container"

_SLUG_LENGTH = 36


def pod_name(request: StageRequest, *, begin: str = "") -> str:
    """Return the one name that a pod for this attempt has: readable start, digest of all ids, attempt.

    A second create of the same attempt meets the first one's name, so an attempt never has two pods.

    Args:
        request: The attempt.
        begin: What it is to begin with; the stage's name by default.
    """
    identity = "\0".join((request.pipeline, request.dag_run, request.stage, str(request.map_index)))
    slug = re.sub(r"[^a-z0-9]+", "-", (begin or request.stage).lower()).strip("-")[:_SLUG_LENGTH].strip("-") or "stage"
    digest = hashlib.sha256(identity.encode()).hexdigest()[:12]
    return f"{slug}-{digest}-{request.attempt.replace('.', '-')}"


def pod_labels(request: StageRequest) -> dict[str, str]:
    """Return the labels by which stages' pods are selected; long or odd values are cut and get a hash."""
    values = {
        KIND_LABEL: request.kind,
        PIPELINE_LABEL: request.pipeline,
        STAGE_LABEL: request.stage,
        RUN_LABEL: request.dag_run,
        ATTEMPT_LABEL: request.attempt,
    }
    return {key: label_value(value) for key, value in values.items()}


def label_value(value: str) -> str:
    """Return an id as a label's value: itself where Kubernetes takes it, else cut and with a hash."""
    return str(make_safe_label_value(value))


def pod_annotations(request: StageRequest) -> dict[str, str]:
    """Return what a label cannot hold unchanged."""
    return {
        ATTEMPT_URI_ANNOTATION: request.attempt_uri,
        DAG_ANNOTATION: request.pipeline,
        DAG_RUN_ANNOTATION: request.dag_run,
        TASK_ANNOTATION: request.stage,
        MAP_INDEX_ANNOTATION: str(request.map_index),
    }
