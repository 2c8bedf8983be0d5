"""The calls of a triggerer to the Kubernetes API; as :mod:`~airflow_ml_provider.hooks.pods`, for an event loop."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Iterator
from contextlib import AsyncExitStack, aclosing, contextmanager
from http import HTTPStatus
from typing import Any

import aiohttp
from kubernetes_asyncio.client import ApiClient, ApiException, CoreV1Api, V1DeleteOptions

from airflow_ml_provider.decisions.pods.log_lines import LogLines
from airflow_ml_provider.errors import ClusterUnavailableError
from airflow_ml_provider.hooks.cluster_calls import CONNECT_SECONDS, READ_SECONDS
from airflow_ml_provider.hooks.cluster_errors import MissingError, cluster_error
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


class AsyncPods:
    """The pods of one namespace.

    Args:
        client: The API client, as KubernetesPodOperator's asynchronous hook makes it.
        namespace: The namespace.
        log_streams: How many logs are followed at once, each on a connection; others come when their stage ends.

    Attributes:
        streams: Held by each log that is followed.
    """

    def __init__(self, client: ApiClient, *, namespace: str, log_streams: int) -> None:
        self.namespace = namespace
        self.streams = asyncio.Semaphore(log_streams)
        self.use(client)

    def use(self, client: ApiClient) -> None:
        """Go on with another client, whose credentials are fresh."""
        # Untyped, because the client describes the answers that it builds, and here it builds none.
        self._api: Any = CoreV1Api(client)

    async def pages(self, *, selector: dict[str, str]) -> AsyncGenerator[tuple[list[dict[str, Any]], str], None]:
        """Yield the selected pods page by page, each with the resource version to watch from.

        Args:
            selector: ``label_selector`` or ``field_selector``.
        """
        more: str | None = None
        while True:
            answer = await self._json(
                "list",
                "pods",
                self._api.list_namespaced_pod(
                    self.namespace, limit=PAGE, **({"_continue": more} if more else {}), **selector, **_RAW
                ),
            )
            yield answer["items"], answer["metadata"]["resourceVersion"]
            more = answer["metadata"].get("continue")
            if not more:
                return

    async def read(self, name: str) -> dict[str, Any] | None:
        """Return a pod, ``None`` when there is none."""
        async with aclosing(self.pages(selector=one_pod(name))) as pages:
            async for items, _ in pages:
                return items[0] if items else None
        return None

    async def watch(self, *, selector: dict[str, str], resource_version: str) -> AsyncGenerator[tuple[str, Any], None]:
        """Yield events as (type, object), bookmarks included, for up to 30 seconds.

        Raises:
            ExpiredError: The resource version is too old.
            ClusterForbiddenError: The right to watch pods is missing.
            ClusterUnavailableError: The connection broke.
        """
        with _cluster_errors("watch", "pods", f"{self.namespace}/"):
            response = await self._api.list_namespaced_pod(
                self.namespace,
                _request_timeout=aiohttp.ClientTimeout(sock_connect=CONNECT_SECONDS, sock_read=WATCH_SECONDS + 10),
                **watch_query(resource_version),
                **selector,
            )
            try:
                await _require_success(response)
                async for line in _lines(response):
                    yield watch_event(line, f"the pods of {self.namespace}")
            finally:
                response.close()

    async def log(
        self,
        name: str,
        *,
        container: str,
        since: str | None,
        tail_lines: int | None,
        follow: bool,
        lines: LogLines,
    ) -> AsyncGenerator[str, None]:
        """Yield the lines of a container's log, each with its time before it.

        Args:
            name: The pod.
            container: The container.
            since: The time of the first line, in RFC 3339 with whole seconds; ``None`` for all lines.
            tail_lines: How many of the last lines there are to begin with, ``None`` for all.
            follow: Whether to wait for further lines until the container ends.
            lines: Puts chunks together; it holds the rest of a stream that did not end with a line's end.

        Raises:
            MissingError: Kubernetes has no such container.
            ClusterUnavailableError: The connection broke.
        """
        async with AsyncExitStack() as held:
            held.enter_context(_cluster_errors("get", "pods/log", f"{self.namespace}/{name}"))
            if follow:
                await held.enter_async_context(self.streams)
            response = await request_log(
                self._api,
                name,
                self.namespace,
                container=container,
                since=since,
                follow=follow,
                tail_lines=tail_lines,
                timeout=aiohttp.ClientTimeout(sock_connect=CONNECT_SECONDS, sock_read=None if follow else READ_SECONDS),
            )
            try:
                await _require_success(response)
                async for chunk in response.content.iter_any():
                    for line in lines.feed(chunk):
                        yield line
            finally:
                response.close()

    async def delete(self, name: str, *, grace_seconds: int | None) -> None:
        """Delete a pod; that it is gone is success."""
        options = V1DeleteOptions(grace_period_seconds=grace_seconds)
        try:
            await self._json(
                "delete", "pods", self._api.delete_namespaced_pod(name, self.namespace, body=options, **_RAW)
            )
        except MissingError:
            return

    async def events(self, uid: str) -> list[dict[str, Any]]:
        """Return the events about a pod, the oldest first."""
        answer = await self._json(
            "list", "events", self._api.list_namespaced_event(self.namespace, **events_about(uid), **_RAW)
        )
        return in_order(answer["items"])

    async def _json(self, verb: str, resource: str, call: Any) -> Any:
        with _cluster_errors(verb, resource, f"{self.namespace}/"):
            response = await call
            try:
                await _require_success(response)
                content = await response.read()
            finally:
                response.release()
            try:
                return json.loads(content)
            except ValueError as error:
                raise ClusterUnavailableError(f"Kubernetes answered {verb} {resource} with no JSON") from error


_RAW: dict[str, Any] = {
    "_preload_content": False,
    "_request_timeout": aiohttp.ClientTimeout(total=READ_SECONDS, sock_connect=CONNECT_SECONDS),
}


@contextmanager
def _cluster_errors(verb: str, resource: str, name: str) -> Iterator[None]:
    try:
        yield
    except ApiException as error:
        raise cluster_error(error, verb, resource, name) from error
    except (TimeoutError, aiohttp.ClientError, OSError) as error:
        raise ClusterUnavailableError(
            f"Kubernetes did not answer to {verb} {resource} {name}: {type(error).__name__}: {error}"
        ) from error


async def _require_success(response: Any) -> None:
    # The client looks at the status only where it builds the answer.
    if response.status >= HTTPStatus.BAD_REQUEST:
        error = ApiException(status=response.status, reason=response.reason)
        error.body = (await response.read()).decode("utf-8", errors="replace")
        raise error


async def _lines(response: Any) -> AsyncGenerator[bytes, None]:
    # A pod is longer than aiohttp's own reading by line allows.
    rest = b""
    async for chunk in response.content.iter_any():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line:
                yield line
    if rest:
        yield rest
