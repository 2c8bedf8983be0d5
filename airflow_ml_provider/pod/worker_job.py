"""The workers of a stage: a Job whose pods are as the stage's, owned by its pod, so that they go when it goes."""

from __future__ import annotations

import copy

from kubernetes.client import (
    V1Container,
    V1Job,
    V1JobSpec,
    V1ObjectMeta,
    V1OwnerReference,
    V1Pod,
    V1PodFailurePolicy,
    V1PodFailurePolicyOnPodConditionsPattern,
    V1PodFailurePolicyRule,
    V1PodTemplateSpec,
    V1ResourceRequirements,
)

from airflow_ml_provider.pod.variables import with_variables
from airflow_ml_provider.protocol.staged import STEP_VARIABLE
from airflow_ml_provider.protocol.tune import STUDY_STORAGE_VARIABLE

WORKER_LABEL = "airflow-ml/worker"

# A worker ends by itself when its study is over or away, and the study counts the trials that die: the Job's own
# limit would end all workers at once.
_BACKOFF_LIMIT = 10_000


def worker_job(pod: V1Pod, *, container: str, workers: int, step: str, indexed: bool = False) -> V1Job:
    """Return the Job of a stage's workers.

    Without an index the Job has no number of completions: Kubernetes replaces a worker that failed, and none any more
    once one has ended well, which it does when the study is over
    (https://kubernetes.io/docs/concepts/workloads/controllers/job/#parallel-jobs).

    Args:
        pod: The stage's, as a stage's pod is composed.
        container: The name of the container that does the work.
        workers: How many there are at a time.
        step: What makes a process a worker.
        indexed: Whether each has a number of its own, keeps it when it is replaced, and is to end well once.
    """
    spec = copy.deepcopy(pod.spec)
    spec.restart_policy = "Never"
    base = _container(spec.containers, container)
    given = [variable for variable in base.env or () if variable.name != STUDY_STORAGE_VARIABLE]
    base.env = with_variables(given, {STEP_VARIABLE: step})
    labels = {**(pod.metadata.labels or {}), WORKER_LABEL: "true"}
    return V1Job(
        api_version="batch/v1",
        kind="Job",
        metadata=V1ObjectMeta(
            name=f"{pod.metadata.name}-workers",
            namespace=pod.metadata.namespace,
            labels=labels,
            annotations=pod.metadata.annotations,
        ),
        spec=V1JobSpec(
            parallelism=workers,
            completions=workers if indexed else None,
            completion_mode="Indexed" if indexed else None,
            backoff_limit=_BACKOFF_LIMIT,
            pod_failure_policy=V1PodFailurePolicy(
                rules=[
                    V1PodFailurePolicyRule(
                        action="Ignore",
                        on_pod_conditions=[
                            V1PodFailurePolicyOnPodConditionsPattern(type="DisruptionTarget", status="True")
                        ],
                    )
                ]
            ),
            template=V1PodTemplateSpec(
                metadata=V1ObjectMeta(labels=labels, annotations=pod.metadata.annotations), spec=spec
            ),
        ),
    )


def owned_by(job: V1Job, pod: V1Pod, *, uid: str) -> V1Job:
    """Make a pod that exists the owner of a Job: Kubernetes deletes the Job, and its pods, with it."""
    job.metadata.owner_references = [V1OwnerReference(api_version="v1", kind="Pod", name=pod.metadata.name, uid=uid)]
    return job


def give_study_resources(pod: V1Pod, *, container: str, cpu: str, memory: str) -> None:
    """Give a study's container what it needs itself, in place of what its workers need."""
    base = _container(pod.spec.containers, container)
    base.resources = V1ResourceRequirements(requests={"cpu": cpu, "memory": memory}, limits={"memory": memory})


def _container(containers: list[V1Container], name: str) -> V1Container:
    return next(container for container in containers if container.name == name)
