"""The result in a container's termination message, so that reading it needs neither the pod nor the store.

The kubelet divides 12 KiB among all containers of a pod, and keeps 4 KiB of each at most
(https://kubernetes.io/docs/tasks/debug/debug-application/determine-reason-pod-failure/); four containers were seen cut
to 3072 bytes each. A result of up to 1024 bytes travels whole, of a larger one only its digest.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

from airflow_ml_provider.protocol.errors import ProtocolError
from airflow_ml_provider.protocol.result import StageResult

MESSAGE_LIMIT_BYTES = 1024

_DIGEST = "result_digest"


def termination_message(result: StageResult) -> str:
    """Return what a stage leaves as its termination message."""
    text = result.to_json()
    if len(text.encode()) <= MESSAGE_LIMIT_BYTES:
        return text
    return json.dumps({_DIGEST: result_digest(text.encode())})


def failure_message(result: StageResult) -> str:
    """Return a failed result that fits a termination message, for a step that cannot write to the store.

    The traceback stands in the log; of a long message the beginning is kept.
    """
    assert result.failure is not None
    message = result.failure.message
    while True:
        failure = replace(result.failure, message=message, traceback="")
        text = replace(result, failure=failure).to_json()
        if len(text.encode()) <= MESSAGE_LIMIT_BYTES:
            return text
        message = message[: len(message) * 3 // 4]


def result_in_message(message: str) -> StageResult | None:
    """Return the result that a termination message carries, ``None`` when it lies in the store or nowhere.

    A message is what any process in the container wrote last, so one that is not a result is none.
    """
    try:
        return StageResult.from_json(message)
    except ProtocolError:
        return None


def digest_in_message(message: str) -> str | None:
    """Return the digest of the result in the store that a termination message names, ``None`` when it names none."""
    try:
        content = json.loads(message)
    except (ValueError, RecursionError):
        return None
    digest = content.get(_DIGEST) if isinstance(content, dict) else None
    return digest if isinstance(digest, str) else None


def result_digest(content: bytes) -> str:
    """Return the digest of a result's JSON."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
