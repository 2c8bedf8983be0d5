"""The few calls a stage makes to the Kubernetes API, its answers as JSON, its refusals as our errors.

Answers stay JSON because building the client's model objects costs more than the request, and a watch builds them
at every event.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from kubernetes.client import CoreV1Api, V1DeleteOptions, V1Pod, V1Preconditions
from kubernetes.watch.watch import iter_resp_lines

from airflow_ml_provider.errors import ClusterError, ClusterForbiddenError, ClusterUnavailableError
from airflow_ml_provider.hooks.cluster_calls import CONNECT_SECONDS, RAW, READ_SECONDS, answer_of, unanswered
from airflow_ml_provider.hooks.cluster_errors import ConflictError, MissingError, cluster_errors
from airflow_ml_provider.hooks.log_request import request_log
from airflow_ml_provider.hooks.pod_requests import (
    PAGE,
    WATCH_SECONDS,
    events_about,
    in_order,
    one_pod,
    watch_event,
    watch_query,
)


class Pods:
    """The pods of one namespace.

    Args:
        client: The API client, as KubernetesPodOperator's hook makes it.
        namespace: The namespace.

    Attributes:
        trusted: Whether the API server allowed something before. One that has just started refuses everybody for some
            moments, until it has read its roles: a refusal after an allowance is tolerated.
    """

    def __init__(self, client: CoreV1Api, *, namespace: str) -> None:
        self._client = client
        self.namespace = namespace
        self.trusted = False

    def create(self, pod: V1Pod) -> dict[str, Any]:
        """Create a pod; that a pod of this name is there already is success, because a name belongs to one attempt.

        Raises:
            ClusterForbiddenError: The right to create pods is missing.
            ClusterCapacityError: A quota is used up.
            ClusterError: Kubernetes refused the pod.
            ClusterUnavailableError: The API server did not answer.
        """
        name = pod.metadata.name
        create = partial(self._client.create_namespaced_pod, self.namespace, pod, **RAW)
        for pause in (0.2, 0.5, 1.0, 2.0, None):
            try:
                created: dict[str, Any] = self._call("create", "pods", name, create)
            except ConflictError as error:
                found = self.read(name)
                if found is not None:
                    return found
                if pause is None:
                    raise ClusterUnavailableError(str(error)) from error
                # No pod of that name: others that are created under the same quota at this moment.
                time.sleep(pause)
            else:
                return created
        raise AssertionError("the last round returns or raises")

    def read(self, name: str) -> dict[str, Any] | None:
        """Return a pod, ``None`` when there is none."""
        return self.list_one(name)[0]

    def select(self, labels: Mapping[str, str | None]) -> Iterator[dict[str, Any]]:
        """Yield the pods that have all of these labels, with any value where it is ``None``, page by page."""
        selector = ",".join(key if value is None else f"{key}={value}" for key, value in labels.items())
        page = partial(self._client.list_namespaced_pod, self.namespace, label_selector=selector, limit=PAGE, **RAW)
        answer = self._call("list", "pods", selector, page)
        yield from answer["items"]
        while more := answer["metadata"].get("continue"):
            answer = self._call("list", "pods", selector, partial(page, _continue=more))
            yield from answer["items"]

    def list_one(self, name: str) -> tuple[dict[str, Any] | None, str]:
        """Return a pod, or ``None``, and the resource version to watch from."""
        answer = self._call(
            "list",
            "pods",
            name,
            partial(self._client.list_namespaced_pod, self.namespace, **one_pod(name), **RAW),
        )
        items = answer["items"]
        return (items[0] if items else None), answer["metadata"]["resourceVersion"]

    def watch_one(self, name: str, resource_version: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield the events of a pod as (type, object), bookmarks included, for up to 30 seconds.

        Raises:
            ExpiredError: The resource version is too old.
            ClusterForbiddenError: The right to watch pods is missing.
            ClusterUnavailableError: The connection broke.
        """
        with cluster_errors("watch", "pods", f"{self.namespace}/{name}"):
            response = self._client.list_namespaced_pod(
                self.namespace,
                **one_pod(name),
                **watch_query(resource_version),
                _request_timeout=(CONNECT_SECONDS, WATCH_SECONDS + 10),
            )
            for line in iter_resp_lines(response):
                if line:
                    yield watch_event(line, f"pod {self.namespace}/{name}")

    def delete(self, name: str, *, uid: str | None = None, grace_seconds: int | None = None) -> None:
        """Delete a pod; that it is gone, or is another pod than the one of this uid, is success.

        Raises:
            ClusterForbiddenError: The right to delete pods is missing.
            ClusterUnavailableError: The API server did not answer.
        """
        options = V1DeleteOptions(
            grace_period_seconds=grace_seconds, preconditions=V1Preconditions(uid=uid) if uid else None
        )
        try:
            self._call(
                "delete",
                "pods",
                name,
                lambda: self._client.delete_namespaced_pod(name, self.namespace, body=options, **RAW),
            )
        except (ConflictError, MissingError):
            return

    def log(self, name: str, *, container: str, since: str | None, follow: bool) -> Any:
        """Return the open response of a container's log, each line with its time before it.

        Raises:
            ApiException: Kubernetes has no log of that container, yet or any more.
        """
        return request_log(
            self._client,
            name,
            self.namespace,
            container=container,
            since=since,
            follow=follow,
            timeout=(CONNECT_SECONDS, None if follow else READ_SECONDS),
        )

    def last_lines(self, name: str, *, container: str, count: int) -> list[str]:
        """Return the last lines that a container logged, or the one before it when it has just started anew."""
        for previous in (False, True):
            read = partial(
                self._client.read_namespaced_pod_log,
                name,
                self.namespace,
                container=container,
                tail_lines=count,
                previous=previous,
                **RAW,
            )
            try:
                with cluster_errors("get", "pods/log", f"{self.namespace}/{name}"):
                    lines: list[str] = read().data.decode(errors="replace").splitlines()
            except ClusterError:
                continue
            if lines:
                return lines
        return []

    def events(self, uid: str) -> list[dict[str, Any]]:
        """Return the events about a pod, the oldest first.

        Raises:
            ClusterForbiddenError: The right to list events is missing.
            ClusterUnavailableError: The API server did not answer.
        """
        answer = self._call(
            "list",
            "events",
            uid,
            partial(self._client.list_namespaced_event, self.namespace, **events_about(uid), **RAW),
        )
        return in_order(answer["items"])

    def may_pass(self, error: BaseException) -> bool:
        """Whether the same request may be answered otherwise a little later."""
        return unanswered(error) or (self.trusted and isinstance(error, ClusterForbiddenError))

    def _call(self, verb: str, resource: str, name: str, call: Callable[[], Any]) -> Any:
        content = answer_of(verb, resource, f"{self.namespace}/{name}", call, again=self.may_pass)
        self.trusted = True
        return content
