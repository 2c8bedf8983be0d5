"""An endpoint on Kubernetes: a Service, and a Deployment for each of its revisions."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.decisions.pod_state import PodState
from airflow_ml_provider.decisions.server_state import server_fault
from airflow_ml_provider.decisions.serving import Revision, Serving
from airflow_ml_provider.exceptions import ServingChangedError, StageConfigurationError
from airflow_ml_provider.hooks.cluster_errors import ConflictError, MissingError
from airflow_ml_provider.pod.server import (
    ENDPOINT_LABEL,
    REVISION_LABEL,
    STATE_ANNOTATION,
    addresses,
    autoscaler,
    deployment_name,
    selector,
    service,
    service_change,
)

if TYPE_CHECKING:
    from kubernetes.client import V1Deployment

    from airflow_ml_provider.hooks.pods import Pods
    from airflow_ml_provider.hooks.serving_objects import ServingObjects

_WRITES = 5


class DeploymentTarget:
    """The endpoint of one name in one namespace.

    The Service holds what serves, as an annotation beside the selector that says the same: one write changes both. It
    names the state it was made from, so Kubernetes refuses it when another run was quicker.

    Args:
        objects: The Kubernetes API.
        pods: The same, for pods.
        endpoint: The Service's name.
        pipeline: The pipeline whose endpoint it is, told on the Service.
        deployment: Makes the Deployment of a revision.
        autoscale: ``max`` servers and ``cpu`` in percent; ``None`` for as many as were asked for.
        container: The name of the container that serves.
    """

    def __init__(
        self,
        objects: ServingObjects,
        pods: Pods,
        *,
        endpoint: str,
        pipeline: str,
        deployment: Callable[[Revision, int], V1Deployment],
        autoscale: dict[str, int] | None,
        container: str,
    ) -> None:
        self._objects = objects
        self._pods = pods
        self._endpoint = endpoint
        self._pipeline = pipeline
        self._deployment = deployment
        self._autoscale = autoscale
        self._container = container
        self._version = ""
        self._known = Serving()

    @property
    def url(self) -> str:
        """Where the endpoint is asked, inside the cluster."""
        return f"http://{self._endpoint}.{self._objects.namespace}.svc"

    def read(self) -> Serving:
        """Return what the Service says.

        Raises:
            StageConfigurationError: There is a Service of that name that is not ours.
            ClusterError: Kubernetes refused.
        """
        self._known, self._version = self._look()
        return self._known

    def _look(self) -> tuple[Serving, str]:
        found = self._objects.service(self._endpoint)
        if found is None:
            return Serving(), ""
        text = found["metadata"].get("annotations", {}).get(STATE_ANNOTATION)
        try:
            serving = Serving.from_plain(json.loads(text or ""))
        except ValueError as error:
            raise StageConfigurationError(
                f"Service {self._objects.namespace}/{self._endpoint} is there, and no serve stage made it: give the "
                f"stage another endpoint, or delete the Service"
            ) from error
        return serving, found["metadata"]["resourceVersion"]

    def write(self, serving: Serving) -> None:
        """Change the Service, create it, or delete it when nothing is to be served.

        Raises:
            ServingChangedError: It is not any more what was read or written here last.
            ClusterError: Kubernetes refused.
        """
        for _ in range(_WRITES):
            try:
                self._version = self._written(serving)
                self._known = serving
                return
            except (ConflictError, MissingError):
                before = self._known
                # An answer that was lost on its way, and the request came a second time.
                if self.read() == serving:
                    return
                if self._known != before:
                    break
                # Somebody changed the Service, and not what it serves.
        raise ServingChangedError(
            f"endpoint {self._endpoint!r}: another run changes what it serves; a retry looks anew"
        )

    def _written(self, serving: Serving) -> str:
        """Write the Service in its known version; returns the new one."""
        if serving.stable is None and serving.candidate is None:
            self._objects.delete_service(self._endpoint, version=self._version)
            return ""
        if not self._version:
            namespace = self._objects.namespace
            new = service(self._endpoint, namespace=namespace, serving=serving, pipeline=self._pipeline)
            return str(self._objects.create_service(new)["metadata"]["resourceVersion"])
        change: dict[str, Any] = service_change(self._endpoint, serving)
        change["metadata"]["resourceVersion"] = self._version
        return str(self._objects.change_service(self._endpoint, change)["metadata"]["resourceVersion"])

    def start(self, revision: Revision, replicas: int) -> None:
        """Create the revision's Deployment, or give it more pods."""
        found = self._found(revision)
        if found is None:
            self._objects.create_deployment(self._deployment(revision, replicas))
        elif found["spec"]["replicas"] < replicas:
            self._objects.scale(found["metadata"]["name"], replicas)

    def replicas(self, revision: Revision) -> int:
        """Return how many pods the revision's Deployment is to have."""
        found = self._found(revision)
        return 0 if found is None else int(found["spec"]["replicas"])

    def faults(self, revision: Revision) -> str:
        """Say why the pods of a revision will not become ready."""
        refused = self._refusal(revision)
        if refused and "exceeded quota" not in refused:
            return f"Deployment {deployment_name(self._endpoint, revision)}: {refused}"
        now = dt.datetime.now(tz=dt.UTC)
        for pod in self._pods.select(self._labels(revision)):
            created = dt.datetime.fromisoformat(pod["metadata"]["creationTimestamp"])
            told = server_fault(pod, container=self._container, seconds=(now - created).total_seconds())
            if told:
                return f"pod {self._pods.namespace}/{pod['metadata']['name']}: {told}{self._last_lines(pod)}"
        return ""

    def ready(self, revision: Revision) -> list[str]:
        """Return the addresses of the pods that are ready."""
        return addresses(list(self._pods.select(self._labels(revision))))

    def waits(self, revision: Revision) -> str:
        """Say what the Deployment was refused, or what its pods wait for."""
        states = (PodState.of(pod, container=self._container) for pod in self._pods.select(self._labels(revision)))
        told = (state.unschedulable or state.container_message or state.container_reason for state in states)
        return self._refusal(revision) or next(filter(None, told), "")

    def settle(self, revision: Revision, replicas: int) -> None:
        """Give the Deployment as many pods as were asked for, or leave that to its autoscaler."""
        name = deployment_name(self._endpoint, revision)
        if self._autoscale is None:
            self._objects.delete_autoscaler(name)
            if self.replicas(revision) != replicas:
                self._objects.scale(name, replicas)
            return
        self._objects.put_autoscaler(
            autoscaler(
                self._endpoint,
                revision,
                namespace=self._objects.namespace,
                replicas=replicas,
                most=self._autoscale["max"],
                cpu=self._autoscale["cpu"],
            )
        )

    def remove_others(self) -> None:
        """Delete the Deployments and autoscalers of revisions that the Service does not know now."""
        serving, _ = self._look()
        kept = {found.name for found in (serving.stable, serving.candidate) if found is not None}
        mine = selector({ENDPOINT_LABEL: self._endpoint})
        for listed, delete in (
            (self._objects.autoscalers, self._objects.delete_autoscaler),
            (self._objects.deployments, self._objects.delete_deployment),
        ):
            for found in listed(mine):
                if found["metadata"]["labels"].get(REVISION_LABEL) not in kept:
                    delete(found["metadata"]["name"])

    def _refusal(self, revision: Revision) -> str:
        """Return why pods of the Deployment are not created, empty when they are."""
        found = self._found(revision)
        conditions = [] if found is None else found.get("status", {}).get("conditions", ())
        failed = (one for one in conditions if one["type"] == "ReplicaFailure" and one["status"] == "True")
        return next((str(one.get("message", "")) for one in failed), "")

    def _found(self, revision: Revision) -> dict[str, Any] | None:
        name = deployment_name(self._endpoint, revision)
        found = self._objects.deployments(selector(self._labels(revision)))
        return next((one for one in found if one["metadata"]["name"] == name), None)

    def _labels(self, revision: Revision) -> dict[str, str]:
        return {ENDPOINT_LABEL: self._endpoint, REVISION_LABEL: revision.name}

    def _last_lines(self, pod: dict[str, Any]) -> str:
        lines = self._pods.last_lines(pod["metadata"]["name"], container=self._container, count=10)
        return "".join(f"\n  | {line}" for line in lines)
