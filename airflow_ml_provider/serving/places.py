"""The target of a serve stage, and the revision that it wants there."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.artifacts.layout import join
from airflow_ml_provider.artifacts.store import ArtifactStore
from airflow_ml_provider.decisions.serving.command_server import command_server_variables
from airflow_ml_provider.decisions.serving.request_limits import request_limits
from airflow_ml_provider.decisions.serving.rollout import Revision
from airflow_ml_provider.errors import StageConfigurationError
from airflow_ml_provider.kinds.code import packed_built_in, packed_folder
from airflow_ml_provider.protocol.environment import ISOLATED_VARIABLE, REQUEST_VARIABLE
from airflow_ml_provider.protocol.request import StageRequest, Tracking
from airflow_ml_provider.protocol.serving import ENDPOINT_VARIABLE, PORT, SERVER
from airflow_ml_provider.protocol.staged import STEP_VARIABLE
from airflow_ml_provider.runners.stage_environment import stage_environment
from airflow_ml_provider.serving.local_target import HOST as LOCAL_HOST
from airflow_ml_provider.serving.local_target import LocalTarget, ServerCommand

if TYPE_CHECKING:
    from airflow_ml_provider.attempts.run_context import RunContext
    from airflow_ml_provider.serving.serve_settings import ServeSettings
    from airflow_ml_provider.serving.target import ServingTarget

REQUEST_LOG = "_requests"
"""The folder of the store that samples of requests go to, by endpoint."""
_SERVING = "_serving"


def serving_place(
    stage: ServeSettings, run: RunContext, *, endpoint: str, model: str, version: str
) -> tuple[ServingTarget, Revision]:
    """Return where a stage serves, and what it is to serve there.

    Args:
        stage: The stage.
        run: The task instance.
        endpoint: The endpoint's name.
        model: The registered model.
        version: Its version.

    Raises:
        StageConfigurationError: The arguments give no server.
    """
    request = _server_request(stage, run, endpoint=endpoint, model=model, version=version)
    if stage.pods is None:
        if stage.target != "local":
            run.log.info("On the local runner the servers are processes of this machine (target local)")
        return _on_this_machine(stage, run, request, endpoint), Revision.of(model, version, _identity_of(request))
    if stage.target == "local":
        raise StageConfigurationError(
            f"stage {stage.task_id!r}: target 'local' is this machine, and its checks run in pods: say "
            f"runner: local, or target: deployment"
        )
    from airflow_ml_provider.serving.cluster_places import cluster_place

    target, made_of = cluster_place(
        stage, stage.pods, request, endpoint=endpoint, pipeline=run.identity.pipeline, server=_identity_of(request)
    )
    return target, Revision.of(model, version, made_of)


def _on_this_machine(stage: ServeSettings, run: RunContext, request: StageRequest, endpoint: str) -> LocalTarget:
    secrets = run.connections.mlflow(str(stage.mlflow_conn_id)).client_environment()
    isolated = run.settings.isolate_stages
    # A server of the user's own does not begin in our runtime, which isolates itself.
    isolation = {ISOLATED_VARIABLE: "1"} if isolated else {}
    first = (sys.executable, "-P", "-m", "airflow_ml_provider.runtime.isolation") if isolated else ()

    def command(revision: Revision, port: int) -> ServerCommand:
        shared = {
            **stage_environment(os.environ, passed=run.settings.stage_environment),
            **secrets,
            ENDPOINT_VARIABLE: endpoint,
            "PYTHONUNBUFFERED": "1",
        }
        folder = stage.base_folder
        if request.command:
            variables = {**shared, **command_server_variables(request, port=port)}
            return ServerCommand((*first, *request.command), variables, folder)
        own = replace(request, options={**request.options, "host": LOCAL_HOST, "port": port})
        variables = {**shared, REQUEST_VARIABLE: own.to_json(), STEP_VARIABLE: SERVER, **isolation}
        return ServerCommand((sys.executable, "-P", "-m", "airflow_ml_provider.runtime"), variables, folder)

    return LocalTarget(run.settings.endpoints / endpoint, port=stage.port, command=command)


def _server_request(stage: ServeSettings, run: RunContext, *, endpoint: str, model: str, version: str) -> StageRequest:
    kept, store = ArtifactStore(), run.identity.store
    body = packed_built_in(stage.body)
    assert body is not None
    limits = request_limits(stage.limits).to_options()
    code = None
    if stage.servers_need_code and stage.code:
        code = kept.put_content(store, packed_folder(Path(stage.path_beside(stage.code))), suffix=".zip")
    return StageRequest(
        kind=stage.kind,
        pipeline=run.identity.pipeline,
        stage=run.identity.stage,
        dag_run="",
        attempt=_SERVING,
        attempt_uri=join(store, _SERVING, endpoint),
        command=tuple(stage.server or ()),
        body=stage.body,
        options={
            "model": {"name": model, "version": version},
            # All addresses, of both families.
            "host": "",
            "port": PORT,
            "sample": stage.log_requests,
            "log": join(store, REQUEST_LOG, endpoint),
            **({"limits": limits} if limits else {}),
        },
        code=code,
        body_code=kept.put_content(store, body, suffix=".zip"),
        tracking=Tracking(uri=run.connections.mlflow(str(stage.mlflow_conn_id)).uri, run_id="", experiment_id=""),
    )


def _identity_of(request: StageRequest) -> dict[str, Any]:
    """Return what makes one server another; another version of this provider does not."""
    return {
        "command": list(request.command),
        "mlflow": "" if request.tracking is None else request.tracking.uri,
        "options": dict(request.options),
        "code": None if request.code is None else request.code.digest,
    }
