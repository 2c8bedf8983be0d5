"""The calls to the Kubernetes API about what serves: a Service, its Deployments and their autoscalers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from kubernetes.client import (
    AppsV1Api,
    AutoscalingV2Api,
    CoreV1Api,
    V1DeleteOptions,
    V1Deployment,
    V1Preconditions,
    V1Service,
    V2HorizontalPodAutoscaler,
)

from airflow_ml_provider.hooks.cluster_calls import RAW, answer_of
from airflow_ml_provider.hooks.cluster_errors import ConflictError, MissingError


class ServingObjects:
    """What serves in one namespace; answers are JSON.

    Args:
        client: The API client, as KubernetesPodOperator's hook makes it.
        namespace: The namespace.
    """

    def __init__(self, client: CoreV1Api, *, namespace: str) -> None:
        self._core = client
        self._apps = AppsV1Api(client.api_client)
        self._scaling = AutoscalingV2Api(client.api_client)
        self.namespace = namespace

    def service(self, name: str) -> dict[str, Any] | None:
        """Return a Service, ``None`` when there is none.

        Raises:
            ClusterForbiddenError: The right to get services is missing.
            ClusterUnavailableError: The API server did not answer.
        """
        read = partial(self._core.read_namespaced_service, name, self.namespace, **RAW)
        try:
            return self._call("get", "services", name, read)
        except MissingError:
            return None

    def create_service(self, service: V1Service) -> dict[str, Any]:
        """Create a Service.

        Raises:
            ConflictError: There is one of that name.
            ClusterError: Kubernetes refused it.
        """
        create = partial(self._core.create_namespaced_service, self.namespace, service, **RAW)
        return self._call("create", "services", service.metadata.name, create)

    def change_service(self, name: str, change: Mapping[str, Any]) -> dict[str, Any]:
        """Change a Service by a JSON merge patch; one that names a resourceVersion changes that very state or none.

        Raises:
            ConflictError: Somebody else changed it meanwhile.
            ClusterError: Kubernetes refused it.
        """
        patch = partial(self._core.patch_namespaced_service, name, self.namespace, dict(change), **RAW)
        return self._call("patch", "services", name, patch)

    def delete_service(self, name: str, *, version: str) -> None:
        """Delete a Service in one state of it; that it is gone is success.

        Raises:
            ConflictError: Somebody else changed it meanwhile.
        """
        options = V1DeleteOptions(preconditions=V1Preconditions(resource_version=version or None))
        delete = partial(self._core.delete_namespaced_service, name, self.namespace, body=options, **RAW)
        self._gone("services", name, delete)

    def deployments(self, selector: str) -> list[dict[str, Any]]:
        """Return the Deployments of a label selector."""
        found = partial(self._apps.list_namespaced_deployment, self.namespace, label_selector=selector, **RAW)
        items: list[dict[str, Any]] = self._call("list", "deployments", selector, found)["items"]
        return items

    def create_deployment(self, deployment: V1Deployment) -> None:
        """Create a Deployment; that one of this name is there is success, because a name says what it is made of.

        Raises:
            ClusterForbiddenError: The right to create deployments is missing.
            ClusterError: Kubernetes refused it.
        """
        create = partial(self._apps.create_namespaced_deployment, self.namespace, deployment, **RAW)
        try:
            self._call("create", "deployments", deployment.metadata.name, create)
        except ConflictError:
            return

    def scale(self, name: str, replicas: int) -> None:
        """Say how many pods a Deployment has."""
        patch = partial(
            self._apps.patch_namespaced_deployment, name, self.namespace, {"spec": {"replicas": replicas}}, **RAW
        )
        self._call("patch", "deployments", name, patch)

    def delete_deployment(self, name: str) -> None:
        """Delete a Deployment with its pods; that it is gone is success."""
        delete = partial(
            self._apps.delete_namespaced_deployment, name, self.namespace, propagation_policy="Background", **RAW
        )
        self._gone("deployments", name, delete)

    def autoscalers(self, selector: str) -> list[dict[str, Any]]:
        """Return the HorizontalPodAutoscalers of a label selector."""
        found = partial(
            self._scaling.list_namespaced_horizontal_pod_autoscaler, self.namespace, label_selector=selector, **RAW
        )
        items: list[dict[str, Any]] = self._call("list", "horizontalpodautoscalers", selector, found)["items"]
        return items

    def put_autoscaler(self, autoscaler: V2HorizontalPodAutoscaler) -> None:
        """Create an autoscaler, or make the one of this name like it."""
        name = autoscaler.metadata.name
        create = partial(self._scaling.create_namespaced_horizontal_pod_autoscaler, self.namespace, autoscaler, **RAW)
        change = {"spec": {"minReplicas": autoscaler.spec.min_replicas, "maxReplicas": autoscaler.spec.max_replicas}}
        metrics = self._core.api_client.sanitize_for_serialization(autoscaler.spec.metrics)
        patch = partial(
            self._scaling.patch_namespaced_horizontal_pod_autoscaler,
            name,
            self.namespace,
            {"spec": {**change["spec"], "metrics": metrics}},
            **RAW,
        )
        try:
            self._call("create", "horizontalpodautoscalers", name, create)
        except ConflictError:
            self._call("patch", "horizontalpodautoscalers", name, patch)

    def delete_autoscaler(self, name: str) -> None:
        """Delete an autoscaler; that it is gone is success."""
        delete = partial(self._scaling.delete_namespaced_horizontal_pod_autoscaler, name, self.namespace, **RAW)
        self._gone("horizontalpodautoscalers", name, delete)

    def _gone(self, resource: str, name: str, delete: Callable[[], Any]) -> None:
        try:
            self._call("delete", resource, name, delete)
        except MissingError:
            return

    def _call(self, verb: str, resource: str, name: str, call: Callable[[], Any]) -> dict[str, Any]:
        return answer_of(verb, resource, f"{self.namespace}/{name}", call)
