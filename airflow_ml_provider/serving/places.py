"""The target of a serve stage, and the revision that it wants there."""

from __future__ import annotations

import json
import os
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kubernetes.client import ApiClient

from airflow_ml_provider.artifacts.layout import join
from airflow_ml_provider.artifacts.store import ArtifactStore
from airflow_ml_provider.decisions.serving.rollout import Revision, shared_requests
from airflow_ml_provider.errors import StageConfigurationError
from airflow_ml_provider.execution.code import packed_built_in, packed_folder
from airflow_ml_provider.hooks.inference_services import InferenceServices
from airflow_ml_provider.hooks.mlflow import MlflowHook
from airflow_ml_provider.hooks.pods import Pods
from airflow_ml_provider.hooks.serving_objects import ServingObjects
from airflow_ml_provider.pod.predictor import predictor
from airflow_ml_provider.pod.server import command_server_variables, server_deployment
from airflow_ml_provider.protocol.environment import REQUEST_VARIABLE
from airflow_ml_provider.protocol.request import StageRequest, Tracking
from airflow_ml_provider.protocol.serving import ENDPOINT_VARIABLE, PORT, SERVER
from airflow_ml_provider.protocol.staged import STEP_VARIABLE
from airflow_ml_provider.runners.local_runner import without_airflow
from airflow_ml_provider.serving.deployment_target import DeploymentTarget
from airflow_ml_provider.serving.kserve_target import KServeTarget
from airflow_ml_provider.serving.local_target import HOST as LOCAL_HOST
from airflow_ml_provider.serving.local_target import LocalTarget, ServerCommand, endpoints_folder
from airflow_ml_provider.settings import MlSettings

if TYPE_CHECKING:
    from airflow.sdk import Context
    from kubernetes.client import V1Deployment

    from airflow_ml_provider.operators.serve import ServeOperator
    from airflow_ml_provider.serving.target import ServingTarget

REQUEST_LOG = "_requests"
"""The folder of the store that samples of requests go to, by endpoint."""
_SERVING = "_serving"
_RANDOM_NAME = re.compile(r"secretvol[0-9a-f-]{8,}")
_LONGEST_ON_KSERVE = 40
_OF_A_TASK = ("airflow_version", "airflow_kpo_in_cluster")
"""Labels that KubernetesPodOperator gives every pod."""


def serving_place(
    operator: ServeOperator, context: Context, *, endpoint: str, model: str, version: str
) -> tuple[ServingTarget, Revision]:
    """Return where a stage serves, and what it is to serve there.

    Args:
        operator: The stage, its templates rendered.
        context: The task's context.
        endpoint: The endpoint's name.
        model: The registered model.
        version: Its version.

    Raises:
        StageConfigurationError: The arguments give no server.
    """
    settings = MlSettings.read(store=operator.store, runner=operator.runner)
    request = _server_request(operator, context, settings.store, endpoint=endpoint, model=model, version=version)
    if settings.runner == "local":
        if operator.target != "local":
            operator.log.info("On the local runner the servers are processes of this machine (target local)")
        return _on_this_machine(operator, request, endpoint), Revision.of(model, version, _what_matters(request))
    if operator.target == "local":
        raise StageConfigurationError(
            f"stage {operator.task_id!r}: target 'local' is this machine, and its checks run in pods: say "
            f"runner: local, or target: deployment"
        )
    operator.name, operator.random_name_suffix = endpoint, False
    # Each build adds to them.
    variables = list(operator.env_vars or ())
    pod = operator.build_pod_request_obj(None)
    operator.env_vars = variables
    labels = {key: value for key, value in (pod.metadata.labels or {}).items() if key not in _OF_A_TASK}

    def deployment(revision: Revision, replicas: int) -> V1Deployment:
        return server_deployment(
            pod,
            request,
            endpoint=endpoint,
            revision=revision,
            replicas=replicas,
            container=operator.base_container_name,
            start_seconds=operator.ready_timeout.total_seconds(),
            labels=labels,
        )

    made_of: dict[str, Any] = {
        "pod": _without_chance(ApiClient().sanitize_for_serialization(pod.spec)),
        "labels": labels,
        "annotations": dict(pod.metadata.annotations or {}),
        "server": _what_matters(request),
        "start_seconds": operator.ready_timeout.total_seconds(),
    }
    namespace = pod.metadata.namespace
    pods = Pods(operator.client, namespace=namespace)
    if operator.target == "kserve":
        if len(endpoint) > _LONGEST_ON_KSERVE or endpoint.endswith("-next"):
            raise StageConfigurationError(
                f"stage {operator.task_id!r}: endpoint {endpoint!r}: on KServe it has {_LONGEST_ON_KSERVE} "
                f"characters at most, and does not end with '-next', as candidates do"
            )
        on_kserve = KServeTarget(
            InferenceServices(operator.client, namespace=namespace),
            pods,
            endpoint=endpoint,
            pipeline=context["ti"].dag_id,
            predictor=lambda revision, knative: predictor(
                deployment(revision, operator.replicas),
                container=operator.base_container_name,
                knative=knative,
                autoscale=operator.autoscale,
                start_seconds=operator.ready_timeout.total_seconds(),
            ),
            sharing=shared_requests(operator.canary, operator.guard),
            seconds=operator.ready_timeout.total_seconds(),
        )
        return on_kserve, Revision.of(model, version, {**made_of, "target": operator.target})
    target = DeploymentTarget(
        ServingObjects(operator.client, namespace=namespace),
        pods,
        endpoint=endpoint,
        pipeline=context["ti"].dag_id,
        deployment=deployment,
        autoscale=operator.autoscale,
        container=operator.base_container_name,
    )
    return target, Revision.of(model, version, made_of)


def _without_chance(spec: Any) -> Any:
    """Return a pod's spec without the names that KubernetesPodOperator gives volumes of Secrets at random."""
    text = json.dumps(spec, sort_keys=True)
    for number, name in enumerate(dict.fromkeys(_RANDOM_NAME.findall(text))):
        text = text.replace(name, f"secret-{number}")
    return json.loads(text)


def _on_this_machine(operator: ServeOperator, request: StageRequest, endpoint: str) -> LocalTarget:
    secrets = MlflowHook(str(operator.mlflow_conn_id)).client_environment()

    def command(revision: Revision, port: int) -> ServerCommand:
        shared = {**without_airflow(os.environ), **secrets, ENDPOINT_VARIABLE: endpoint, "PYTHONUNBUFFERED": "1"}
        folder = operator.base_folder or "/"
        if request.command:
            return ServerCommand(request.command, {**shared, **command_server_variables(request, port=port)}, folder)
        own = replace(request, options={**request.options, "host": LOCAL_HOST, "port": port})
        variables = {**shared, REQUEST_VARIABLE: own.to_json(), STEP_VARIABLE: SERVER}
        return ServerCommand((sys.executable, "-P", "-m", "airflow_ml_provider.runtime"), variables, folder)

    return LocalTarget(endpoints_folder() / endpoint, port=operator.port, command=command)


def _server_request(
    operator: ServeOperator, context: Context, store: str, *, endpoint: str, model: str, version: str
) -> StageRequest:
    kept = ArtifactStore()
    body = packed_built_in(operator.body)
    assert body is not None
    code = None
    if operator.servers_need_code and operator.code:
        code = kept.put_content(store, packed_folder(Path(operator.path_beside(context, operator.code))), suffix=".zip")
    hook = MlflowHook(str(operator.mlflow_conn_id))
    return StageRequest(
        kind=operator.kind,
        pipeline=context["ti"].dag_id,
        stage=context["ti"].task_id,
        dag_run="",
        attempt=_SERVING,
        attempt_uri=join(store, _SERVING, endpoint),
        command=tuple(operator.server or ()),
        body=operator.body,
        options={
            "model": {"name": model, "version": version},
            # All addresses, of both families.
            "host": "",
            "port": PORT,
            "sample": operator.log_requests,
            "log": join(store, REQUEST_LOG, endpoint),
        },
        code=code,
        body_code=kept.put_content(store, body, suffix=".zip"),
        tracking=Tracking(uri=hook.uri, run_id="", experiment_id=""),
    )


def _what_matters(request: StageRequest) -> dict[str, Any]:
    """Return what makes one server another; another version of this provider does not."""
    return {
        "command": list(request.command),
        "mlflow": "" if request.tracking is None else request.tracking.uri,
        "options": dict(request.options),
        "code": None if request.code is None else request.code.digest,
    }
