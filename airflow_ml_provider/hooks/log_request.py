"""The request for a container's log, with what the clients of Kubernetes leave out: ``sinceTime``."""

from __future__ import annotations

from typing import Any


def request_log(
    client: Any,
    name: str,
    namespace: str,
    *,
    container: str,
    since: str | None,
    follow: bool,
    timeout: Any,
    tail_lines: int | None = None,
) -> Any:
    """Ask for a log, each line with its time before it, and return the open response (or what awaits it).

    ``sinceSeconds``, which the clients have, counts back from the node's clock; this machine's may differ. See
    https://kubernetes.io/docs/reference/generated/kubernetes-api/v1.36/#read-log-pod-v1-core.

    Args:
        client: A ``CoreV1Api`` of ``kubernetes`` or of ``kubernetes_asyncio``.
        name: The pod.
        namespace: Its namespace.
        container: The container.
        since: The time of the first line, in RFC 3339 with whole seconds; ``None`` for all lines.
        follow: Whether to wait for further lines until the container ends.
        timeout: What the client takes as a timeout.
        tail_lines: How many of the last lines there are to begin with, ``None`` for all.
    """
    query = {"container": container, "follow": follow, "timestamps": True, "sinceTime": since, "tailLines": tail_lines}
    return client.api_client.call_api(
        "/api/v1/namespaces/{namespace}/pods/{name}/log",
        "GET",
        {"name": name, "namespace": namespace},
        [(key, value) for key, value in query.items() if value is not None],
        {"Accept": "text/plain, */*"},
        auth_settings=["BearerToken"],
        response_types_map={200: "str"},
        _return_http_data_only=True,
        _preload_content=False,
        _request_timeout=timeout,
    )
