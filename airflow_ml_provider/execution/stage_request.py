"""What a stage says is to be done, as a request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.artifacts.store import ArtifactStore
from airflow_ml_provider.errors import StageConfigurationError
from airflow_ml_provider.execution.inputs import resolve_inputs
from airflow_ml_provider.kinds.code import packed_built_in
from airflow_ml_provider.protocol.artifact import ArtifactRef
from airflow_ml_provider.protocol.errors import ProtocolError
from airflow_ml_provider.protocol.metrics import STRICT
from airflow_ml_provider.protocol.request import Checkpoints, StageRequest

if TYPE_CHECKING:
    from airflow_ml_provider.attempts.run_context import RunContext
    from airflow_ml_provider.kinds.stage import Stage


def stage_request(stage: Stage, run: RunContext, *, store: ArtifactStore | None = None) -> StageRequest:
    """Return the request of a stage, its attempt still open; the code folder is in the store then.

    Args:
        stage: The stage.
        run: The task instance.
        store: Where code and suites go to; one that only reads makes the same request.

    Raises:
        StageConfigurationError: The arguments make no request.
        StoreUnavailableError: The store did not answer.
    """
    store = store or ArtifactStore()
    if not isinstance(stage.inputs, Mapping):
        raise StageConfigurationError(f"stage {stage.task_id!r}: inputs is {stage.inputs!r}, not a mapping")
    if odd := [part for part in stage.command or () if not isinstance(part, str)]:
        raise StageConfigurationError(
            f"stage {stage.task_id!r}: command has {odd[0]!r}, not a text: does a template in it give null?"
        )
    params, identity = stage.params, run.identity
    body = stage.body if stage.body and (stage.body_calls_code or not stage.runs_code) else None
    every = stage.checkpoints
    try:
        request = StageRequest(
            kind=stage.kind,
            pipeline=identity.pipeline,
            stage=identity.stage,
            dag_run=identity.dag_run,
            map_index=identity.map_index,
            attempt="",
            attempt_uri="",
            run=stage.run or None,
            command=tuple(stage.command or ()),
            body=body,
            params=params,
            options={
                **stage.options(run, store=store),
                **({STRICT: True} if stage.strict_metrics else {}),
            },
            inputs=resolve_inputs(stage.inputs, store),
            outputs=stage.outputs,
            code=stage.known_files.get(stage.code or "")
            or _kept(stage.code_archive(), store_uri=identity.store, store=store),
            body_code=_kept(packed_built_in(body), store_uri=identity.store, store=store),
            checkpoints=None if every is None else Checkpoints(every=every.total_seconds()),
        )
        request.to_json()
    except ProtocolError as error:
        raise StageConfigurationError(f"stage {stage.task_id!r}: {error}") from error
    return request


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
