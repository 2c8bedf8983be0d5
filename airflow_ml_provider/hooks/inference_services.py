"""The calls to the Kubernetes API about what KServe serves: InferenceServices, and the ConfigMap that says what."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from kubernetes.client import ApisApi, CoreV1Api, CustomObjectsApi, V1DeleteOptions, V1Preconditions

from airflow_ml_provider.decisions.serving.kserve import GROUP, VERSION
from airflow_ml_provider.hooks.cluster_calls import RAW, answer_of
from airflow_ml_provider.hooks.cluster_errors import MissingError

KNATIVE = "serving.knative.dev"
_PLURAL = "inferenceservices"
_CONFIG_MAPS = "configmaps"


class InferenceServices:
    """What KServe serves in one namespace; answers are JSON.

    Args:
        client: The API client, as KubernetesPodOperator's hook makes it.
        namespace: The namespace.
    """

    def __init__(self, client: CoreV1Api, *, namespace: str) -> None:
        self._core = client
        self._apis = ApisApi(client.api_client)
        self._custom = CustomObjectsApi(client.api_client)
        self.namespace = namespace

    def groups(self) -> set[str]:
        """Return the names of the API groups that the cluster has.

        Raises:
            ClusterUnavailableError: The API server did not answer.
        """
        found = answer_of("get", "apis", "/apis", partial(self._apis.get_api_versions, **RAW))
        return {group["name"] for group in found["groups"]}

    def service(self, name: str) -> dict[str, Any] | None:
        """Return an InferenceService, ``None`` when there is none.

        Raises:
            ClusterForbiddenError: The right to get inferenceservices is missing.
            ClusterUnavailableError: The API server did not answer.
        """
        read = self._of_services(self._custom.get_namespaced_custom_object, name)
        return self._found(_PLURAL, name, read)

    def create_service(self, service: Mapping[str, Any]) -> dict[str, Any]:
        """Create an InferenceService.

        Raises:
            ConflictError: There is one of that name.
            ClusterError: Kubernetes or KServe refused it.
        """
        create = self._of_services(self._custom.create_namespaced_custom_object, dict(service))
        return self._call("create", _PLURAL, service["metadata"]["name"], create)

    def replace_service(self, service: Mapping[str, Any]) -> dict[str, Any]:
        """Replace an InferenceService in the version that it names.

        Raises:
            ConflictError: Somebody else changed it meanwhile.
            ClusterError: Kubernetes or KServe refused it.
        """
        name = service["metadata"]["name"]
        replace = self._of_services(self._custom.replace_namespaced_custom_object, name, dict(service))
        return self._call("update", _PLURAL, name, replace)

    def delete_service(self, service: Mapping[str, Any]) -> None:
        """Delete an InferenceService in the state it was read in; that it is gone is success.

        Raises:
            ConflictError: Somebody else changed it meanwhile.
        """
        about = service["metadata"]
        same = V1Preconditions(uid=about["uid"], resource_version=about["resourceVersion"])
        options = V1DeleteOptions(preconditions=same)
        delete = self._of_services(self._custom.delete_namespaced_custom_object, about["name"], body=options)
        self._gone(_PLURAL, about["name"], delete)

    def config_map(self, name: str) -> dict[str, Any] | None:
        """Return a ConfigMap, ``None`` when there is none.

        Raises:
            ClusterForbiddenError: The right to get configmaps is missing.
            ClusterUnavailableError: The API server did not answer.
        """
        read = partial(self._core.read_namespaced_config_map, name, self.namespace, **RAW)
        return self._found(_CONFIG_MAPS, name, read)

    def create_config_map(self, config_map: Mapping[str, Any]) -> dict[str, Any]:
        """Create a ConfigMap.

        Raises:
            ConflictError: There is one of that name.
            ClusterError: Kubernetes refused it.
        """
        create = partial(self._core.create_namespaced_config_map, self.namespace, dict(config_map), **RAW)
        return self._call("create", _CONFIG_MAPS, config_map["metadata"]["name"], create)

    def replace_config_map(self, config_map: Mapping[str, Any]) -> dict[str, Any]:
        """Replace a ConfigMap in the version that it names.

        Raises:
            ConflictError: Somebody else changed it meanwhile.
            ClusterError: Kubernetes refused it.
        """
        name = config_map["metadata"]["name"]
        replace = partial(self._core.replace_namespaced_config_map, name, self.namespace, dict(config_map), **RAW)
        return self._call("update", _CONFIG_MAPS, name, replace)

    def delete_config_map(self, name: str, *, version: str) -> None:
        """Delete a ConfigMap in one state of it; that it is gone is success.

        Raises:
            ConflictError: Somebody else changed it meanwhile.
        """
        options = V1DeleteOptions(preconditions=V1Preconditions(resource_version=version or None))
        delete = partial(self._core.delete_namespaced_config_map, name, self.namespace, body=options, **RAW)
        self._gone(_CONFIG_MAPS, name, delete)

    def _of_services(self, method: Callable[..., Any], *arguments: Any, **named: Any) -> Callable[[], Any]:
        return partial(method, GROUP, VERSION, self.namespace, _PLURAL, *arguments, **named, **RAW)

    def _found(self, resource: str, name: str, read: Callable[[], Any]) -> dict[str, Any] | None:
        try:
            return self._call("get", resource, name, read)
        except MissingError:
            return None

    def _gone(self, resource: str, name: str, delete: Callable[[], Any]) -> None:
        try:
            self._call("delete", resource, name, delete)
        except MissingError:
            return

    def _call(self, verb: str, resource: str, name: str, call: Callable[[], Any]) -> dict[str, Any]:
        return answer_of(verb, resource, f"{self.namespace}/{name}", call)
