"""An endpoint on Kubernetes: a Service, and a Deployment for each of its revisions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.decisions.serving.rollout import ALL, Revision, Serving, replicas_beside
from airflow_ml_provider.pod.server import (
    ENDPOINT_LABEL,
    REVISION_LABEL,
    STATE_ANNOTATION,
    autoscaler,
    deployment_name,
    revision_labels,
    selector,
    service,
    service_change,
)
from airflow_ml_provider.protocol.plain_text import one_line
from airflow_ml_provider.serving.kept_serving import KeptServing, named_version, serving_of
from airflow_ml_provider.serving.server_pods import ServerPods

if TYPE_CHECKING:
    from kubernetes.client import V1Deployment

    from airflow_ml_provider.hooks.pods import Pods
    from airflow_ml_provider.hooks.serving_objects import ServingObjects


class DeploymentTarget:
    """The endpoint of one name in one namespace.

    The Service holds what serves, as an annotation next to the selector that says the same: one write changes both. It
    names the state it was made from, so Kubernetes refuses it when another run was quicker.

    Args:
        objects: The Kubernetes API.
        pods: The same, for pods.
        endpoint: The Service's name.
        pipeline: The pipeline whose endpoint it is, an annotation of the Service.
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
        autoscale: Mapping[str, int] | None,
        container: str,
    ) -> None:
        self._objects = objects
        self._endpoint = endpoint
        self._pipeline = pipeline
        self._deployment = deployment
        self._autoscale = autoscale
        self._servers = ServerPods(
            pods, labels=lambda revision: revision_labels(endpoint, revision), container=container
        )
        self._kept = KeptServing(endpoint, look=self._look, put=self._put)

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
        return self._kept.read()

    def write(self, serving: Serving) -> None:
        """Change the Service, create it, or delete it when nothing is to be served.

        Raises:
            ServingChangedError: It is not any more what was read or written here last.
            ClusterError: Kubernetes refused.
        """
        self._kept.write(serving)

    def _look(self) -> tuple[Serving, str]:
        found = self._objects.service(self._endpoint)
        if found is None:
            return Serving(), ""
        text = found["metadata"].get("annotations", {}).get(STATE_ANNOTATION)
        where = f"Service {self._objects.namespace}/{self._endpoint}"
        return serving_of(text, where=where), named_version(found)

    def _put(self, serving: Serving, version: str) -> str:
        if serving.stable is None and serving.candidate is None:
            self._objects.delete_service(self._endpoint, version=version)
            return ""
        if not version:
            namespace = self._objects.namespace
            new = service(self._endpoint, namespace=namespace, serving=serving, pipeline=self._pipeline)
            return named_version(self._objects.create_service(new))
        change: dict[str, Any] = service_change(self._endpoint, serving)
        change["metadata"]["resourceVersion"] = version
        return named_version(self._objects.change_service(self._endpoint, change))

    def start(self, revision: Revision, replicas: int) -> None:
        """Create the revision's Deployment, or give it more pods."""
        found = self._found(revision)
        if found is None:
            self._objects.create_deployment(self._deployment(revision, replicas))
        elif found["spec"]["replicas"] < replicas:
            self._objects.scale(found["metadata"]["name"], replicas)

    def replicas_for(self, serving: Serving, percent: int, *, wanted: int) -> int:
        """Return how many new pods get that part of the requests, which a Service spreads evenly over pods."""
        stable = 0 if serving.stable is None else self._replicas(serving.stable)
        return replicas_beside(stable, percent, wanted=wanted)

    def part(self, percent: int, *, new: int, old: int) -> float:
        """Return the percent of the requests that new pods get."""
        return ALL if percent >= ALL else ALL * new / (new + old)

    def arrived(self, serving: Serving) -> bool:
        """Return true: a Service sends requests to pods that are ready, at once."""
        return True

    def faults(self, revision: Revision) -> str:
        """Say why the pods of a revision will not become ready."""
        refused = self._refusal(revision)
        if refused and "exceeded quota" not in refused:
            return f"Deployment {deployment_name(self._endpoint, revision)}: {refused}"
        return self._servers.faults(revision)

    def ready(self, revision: Revision) -> list[str]:
        """Return the addresses of the pods that are ready."""
        return self._servers.ready(revision)

    def waits(self, revision: Revision) -> str:
        """Say what the Deployment was refused, or what its pods wait for."""
        return self._refusal(revision) or self._servers.waits(revision)

    def settle(self, revision: Revision, replicas: int) -> None:
        """Give the Deployment as many pods as were asked for, or leave that to its autoscaler."""
        name = deployment_name(self._endpoint, revision)
        if self._autoscale is None:
            self._objects.delete_autoscaler(name)
            if self._replicas(revision) != replicas:
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
        return next((one_line(str(one.get("message", ""))) for one in failed), "")

    def _found(self, revision: Revision) -> dict[str, Any] | None:
        name = deployment_name(self._endpoint, revision)
        found = self._objects.deployments(selector(revision_labels(self._endpoint, revision)))
        return next((one for one in found if one["metadata"]["name"] == name), None)

    def _replicas(self, revision: Revision) -> int:
        found = self._found(revision)
        return 0 if found is None else int(found["spec"]["replicas"])
