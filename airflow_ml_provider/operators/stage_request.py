"""What an operator's arguments say is to be done, as a request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from airflow_ml_provider.artifacts.store import ArtifactStore
from airflow_ml_provider.exceptions import StageConfigurationError
from airflow_ml_provider.operators.code import body_target
from airflow_ml_provider.operators.identity import StageIdentity
from airflow_ml_provider.operators.inputs import resolve_inputs
from airflow_ml_provider.protocol.artifact import ArtifactRef
from airflow_ml_provider.protocol.errors import ProtocolError
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
    for name in ("inputs", "hyperparameters"):
        value = getattr(operator, name)
        if not isinstance(value, Mapping):
            raise StageConfigurationError(f"stage {operator.task_id!r}: {name} is {value!r}, not a mapping")
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
            body=None if operator.run or operator.command else body_target(str(operator.body)),
            params=operator.hyperparameters,
            options=operator.options(context, identity=identity, store=store),
            inputs=resolve_inputs(operator.inputs, store),
            outputs=operator.outputs,
            code=_code(operator, context, store_uri=identity.store, store=store),
            checkpoints=None if every is None else Checkpoints(every=every.total_seconds()),
        )
        request.to_json()
    except ProtocolError as error:
        raise StageConfigurationError(f"stage {operator.task_id!r}: {error}") from error
    return request


def _code(operator: StageOperator, context: Context, *, store_uri: str, store: ArtifactStore) -> ArtifactRef | None:
    archive = operator.code_archive(context)
    return None if archive is None else store.put_content(store_uri, archive, suffix=".zip")
