"""What an operator's arguments say is to be done, as a request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.artifacts.store import ArtifactStore
from airflow_ml_provider.attempts.identity import StageIdentity
from airflow_ml_provider.errors import StageConfigurationError
from airflow_ml_provider.execution.code import body_target, packed_built_in
from airflow_ml_provider.execution.inputs import resolve_inputs
from airflow_ml_provider.protocol.artifact import ArtifactRef
from airflow_ml_provider.protocol.errors import ProtocolError
from airflow_ml_provider.protocol.metrics import STRICT
from airflow_ml_provider.protocol.request import Checkpoints, StageRequest

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_ml_provider.operators.stage import StageOperator


def stage_request(
    operator: StageOperator, context: Context, identity: StageIdentity, *, store: ArtifactStore | None = None
) -> StageRequest:
    """Return the request of a stage, its attempt still open; the code folder is in the store then.

    Args:
        operator: The stage, its templates rendered.
        context: The task's context.
        identity: Which stage of which run it is.
        store: Where code and suites go to; one that only reads makes the same request.

    Raises:
        StageConfigurationError: The arguments make no request.
        StoreUnavailableError: The store did not answer.
    """
    store = store or ArtifactStore()
    if not isinstance(operator.inputs, Mapping):
        raise StageConfigurationError(f"stage {operator.task_id!r}: inputs is {operator.inputs!r}, not a mapping")
    if odd := [part for part in operator.command or () if not isinstance(part, str)]:
        raise StageConfigurationError(
            f"stage {operator.task_id!r}: command has {odd[0]!r}, not a text: does a template in it give null?"
        )
    hyperparameters = merged_hyperparameters(operator)
    calls_code = bool(operator.run or operator.command)
    body = body_target(str(operator.body)) if operator.body and (operator.body_calls_code or not calls_code) else None
    every = operator.checkpoints
    try:
        request = StageRequest(
            kind=operator.kind,
            pipeline=identity.pipeline,
            stage=identity.stage,
            dag_run=identity.dag_run,
            map_index=identity.map_index,
            attempt="",
            attempt_uri="",
            run=operator.run or None,
            command=tuple(operator.command or ()),
            body=body,
            params=hyperparameters,
            options={
                **operator.options(context, identity=identity, store=store),
                **({STRICT: True} if operator.strict_metrics else {}),
            },
            inputs=resolve_inputs(operator.inputs, store),
            outputs=operator.outputs,
            code=_kept(operator.code_archive(context), store_uri=identity.store, store=store),
            body_code=_kept(packed_built_in(body), store_uri=identity.store, store=store),
            checkpoints=None if every is None else Checkpoints(every=every.total_seconds()),
        )
        request.to_json()
    except ProtocolError as error:
        raise StageConfigurationError(f"stage {operator.task_id!r}: {error}") from error
    return request


def merged_hyperparameters(operator: StageOperator) -> dict[str, Any]:
    """Return the params of a stage; of several mappings a later one overrides those before it.

    Raises:
        StageConfigurationError: One of them is no mapping.
    """
    given = operator.hyperparameters
    merged: dict[str, Any] = {}
    for part in given if isinstance(given, list | tuple) else [given]:
        if not isinstance(part, Mapping):
            raise StageConfigurationError(f"stage {operator.task_id!r}: hyperparameters has {part!r}, not a mapping")
        merged |= part
    return merged


def origin_of(request: StageRequest, *, image: str) -> dict[str, Any]:
    """Return what an artifact's lineage says of the attempt that made it, JSON values.

    Args:
        request: The attempt's.
        image: The image that it runs in, empty for a process.
    """
    return {
        "kind": request.kind,
        "pipeline": request.pipeline,
        "stage": request.stage,
        "dag_run": request.dag_run,
        "run": request.run or " ".join(request.command) or request.body,
        "code": None if request.code is None else request.code.digest,
        "image": image,
        "inputs": {name: ref.to_plain() for name, ref in request.inputs.items()},
    }


def _kept(archive: bytes | None, *, store_uri: str, store: ArtifactStore) -> ArtifactRef | None:
    return None if archive is None else store.put_content(store_uri, archive, suffix=".zip")
