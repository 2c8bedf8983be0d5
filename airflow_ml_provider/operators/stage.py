"""The base of all stage operators: request, tracking, run, result, in that order."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.sdk.exceptions import AirflowFailException

from airflow_ml_provider.artifacts import ArtifactStore
from airflow_ml_provider.decisions.outcome import read_outcome
from airflow_ml_provider.exceptions import StageConfigurationError, StageFailedError, StageKilledError
from airflow_ml_provider.hooks.mlflow import MlflowHook
from airflow_ml_provider.operators.delivery import find_undelivered, forget, remember
from airflow_ml_provider.operators.identity import StageIdentity
from airflow_ml_provider.operators.inputs import beside, pack_code_folder, resolve_inputs
from airflow_ml_provider.operators.links import MlflowRunLink
from airflow_ml_provider.operators.local_runner import LocalRunner
from airflow_ml_provider.operators.settings import MlSettings
from airflow_ml_provider.operators.tracked_stage import TrackedStage
from airflow_ml_provider.pod.resources import resource_requirements
from airflow_ml_provider.protocol import RESERVED_OUTPUTS, ProtocolError, StageRequest, StageResult

if TYPE_CHECKING:
    from airflow.sdk import BaseOperatorLink, Context

_POD_ARGUMENTS = frozenset(inspect.signature(KubernetesPodOperator.__init__).parameters) - {
    *("self", "kwargs", "name", "do_xcom_push", "deferrable", "on_kill_action", "poll_interval"),
}


class StageOperator(KubernetesPodOperator):
    """Runs one stage of a pipeline: a Python function, a command, or a built-in body.

    Every argument of KubernetesPodOperator passes through; the local runner names in its log those that only
    a pod can honour.

    Args:
        run: ``module:function`` of plain Python code.
        command: A command line in any language.
        inputs: Artifacts by name: another stage's output (``train.output["model"]``), or an artifact's URI.
        outputs: Artifact types by output name (``{"model": "model"}``).
        hyperparameters: The function's keyword arguments, JSON values (``params`` in the YAML).
        code: A folder of code, shipped by its digest; relative to the DAG's file.
        store: URI of the artifact store; default from ``[ml] store``.
        runner: Where the stage runs; default from ``[ml] runner``.
        stage_resources: ``{"cpu": 2, "memory": "4Gi", "gpu": 1}`` (``resources`` in the YAML).
        mlflow_conn_id: The MLflow connection; ``None`` runs untracked.
        experiment: The MLflow experiment's name; default is the DAG's id.
        base_folder: Where relative paths start; default is the folder of the DAG's file.
        do_xcom_push: Push one XCom an output, and ``metrics``.

    Raises:
        StageConfigurationError: The arguments do not fit each other.
    """

    kind: ClassVar[str] = "stage"
    body: ClassVar[str | None] = None
    needs_tracking: ClassVar[bool] = False
    template_fields: Sequence[str] = tuple(
        sorted({*KubernetesPodOperator.template_fields, "code", "command", "hyperparameters", "inputs", "run"})
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {
        **KubernetesPodOperator.template_fields_renderers,
        "hyperparameters": "json",
        "inputs": "json",
    }
    operator_extra_links: Collection[BaseOperatorLink] = (MlflowRunLink(),)

    def __init__(
        self,
        *,
        run: str | None = None,
        command: Sequence[str] | None = None,
        inputs: Mapping[str, Any] | None = None,
        outputs: Mapping[str, str] | None = None,
        hyperparameters: Mapping[str, Any] | None = None,
        code: str | None = None,
        store: str | None = None,
        runner: str | None = None,
        stage_resources: Mapping[str, str | int | float] | None = None,
        mlflow_conn_id: str | None = MlflowHook.default_conn_name,
        experiment: str | None = None,
        base_folder: str | None = None,
        do_xcom_push: bool = True,
        **kwargs: Any,
    ) -> None:
        if stage_resources and "container_resources" not in kwargs:
            kwargs["container_resources"] = resource_requirements(stage_resources)
        super().__init__(do_xcom_push=do_xcom_push, **kwargs)
        self.run = run
        self.command = command
        self.inputs = {} if inputs is None else inputs
        self.outputs = dict(outputs or {})
        self.hyperparameters = {} if hyperparameters is None else hyperparameters
        self.code = code
        self.store = store
        self.runner = runner
        self.stage_resources = stage_resources
        self.mlflow_conn_id = mlflow_conn_id
        self.experiment = experiment
        self.base_folder = base_folder
        self._only_in_pods = sorted(_POD_ARGUMENTS & kwargs.keys())
        self._active: LocalRunner | None = None
        self._require_one_action()

    def execute(self, context: Context) -> None:
        """Run the stage and push its outputs and metrics.

        Raises:
            StageConfigurationError: The stage does not fit its code; no retry.
            StageFailedError: The stage's process failed; Airflow's retries apply.
            MlflowUnavailableError: MLflow did not answer before the work began, or when it was closed.
        """
        settings = MlSettings.read(store=self.store, runner=self.runner)
        identity = StageIdentity.of(context, store=settings.store)
        request = self._request(context, identity)
        work = request.work_digest()
        undelivered = find_undelivered(context, work_digest=work)
        if self._only_in_pods:
            self.log.info("The local runner has no use for %s", ", ".join(self._only_in_pods))
        tracked = TrackedStage.open(
            mlflow_conn_id=self.mlflow_conn_id,
            experiment=self.experiment or identity.pipeline,
            identity=identity,
            kind=self.kind,
            settings=settings,
            context=context,
            needed=self.needs_tracking,
            attempt_run=None if undelivered is None else undelivered.attempt_run,
        )
        with tracked:
            if undelivered is None:
                result = self._attempt(context, identity, request, tracked, work)
            else:
                result = undelivered.result
                self.log.info("Attempt %s finished but was not delivered: taking its result", result.attempt)
            self._push(context, result)
            tracked.finish(result, hyperparameters=self.hyperparameters)
            try:
                branch = self.accept(context, result)
            except AirflowFailException:
                # The result was delivered, and refused: a clear of this task runs anew.
                forget(context)
                raise
        forget(context)
        if branch is not None:
            self.take_branch(context, branch)

    def accept(self, context: Context, result: StageResult) -> Sequence[str] | None:
        """Decide on a successful result; returns the branch to take, ``None`` where there is none.

        Kinds that check something (a suite, a gate) raise here when the check failed.
        """
        return None

    def take_branch(self, context: Context, branch: Sequence[str]) -> None:
        """Skip all direct downstream tasks but those of the branch."""
        raise AssertionError(f"{type(self).__name__} does not branch")

    def options(self, context: Context, *, identity: StageIdentity, store: ArtifactStore) -> dict[str, Any]:
        """Return the settings of the built-in body, JSON values."""
        return {}

    def on_kill(self) -> None:
        """End the stage's process; called from Airflow's signal handler."""
        self._killed = True
        if self._active is not None:
            self._active.stop()

    def path_beside(self, context: Context, path: str) -> str:
        """Return a path or URI, relative ones below the folder of the DAG's or pipeline's file."""
        return beside(Path(self.base_folder or Path(context["dag"].fileloc).parent), path)

    def _request(self, context: Context, identity: StageIdentity) -> StageRequest:
        store = ArtifactStore()
        for name in ("inputs", "hyperparameters"):
            value = getattr(self, name)
            if not isinstance(value, Mapping):
                raise StageConfigurationError(f"stage {self.task_id!r}: {name} is {value!r}, not a mapping")
        try:
            code = (
                pack_code_folder(Path(self.path_beside(context, self.code)), store_uri=identity.store, store=store)
                if self.code
                else None
            )
            request = StageRequest(
                kind=self.kind,
                pipeline=identity.pipeline,
                stage=identity.stage,
                dag_run=identity.dag_run,
                map_index=identity.map_index,
                attempt="",
                attempt_uri="",
                run=self.run or None,
                command=tuple(self.command or ()),
                body=None if self.run or self.command else self.body,
                params=self.hyperparameters,
                options=self.options(context, identity=identity, store=store),
                inputs=resolve_inputs(self.inputs, store),
                outputs=self.outputs,
                code=code,
            )
            request.to_json()
        except ProtocolError as error:
            raise StageConfigurationError(f"stage {self.task_id!r}: {error}") from error
        return request

    def _attempt(
        self,
        context: Context,
        identity: StageIdentity,
        request: StageRequest,
        tracked: TrackedStage,
        work: str,
    ) -> StageResult:
        if self._killed:
            raise StageKilledError("the task was told to end before its stage began")
        attempt, uri = identity.claim_attempt()
        self.log.info("Stage %s (%s), attempt %s in %s", identity.label, self.kind, attempt, uri)
        self._active = LocalRunner(self.log)
        exit_code, result = self._active.run(
            replace(request, attempt=attempt, attempt_uri=uri, tracking=tracked.tracking),
            secrets=tracked.secrets,
        )
        if self._killed:
            raise StageKilledError(f"the task was told to end, and its stage with it (exit code {exit_code})")
        outcome = read_outcome(exit_code, result)
        if outcome.verdict == "success":
            assert result is not None
            remember(context, attempt_uri=uri, work_digest=work, attempt_run=tracked.attempt_run)
            return result
        tail = "".join(f"\n  | {line}" for line in self._active.tail)
        message = f"{outcome.message}{tail and chr(10) + 'Last lines of its log:' + tail}"
        if outcome.retry_helps:
            raise StageFailedError(message)
        raise StageConfigurationError(message)

    def _push(self, context: Context, result: StageResult) -> None:
        if not self.do_xcom_push:
            return
        instance = context["ti"]
        for name, ref in result.outputs.items():
            instance.xcom_push(key=name, value=ref.to_plain())
        for name, value in result.values.items():
            instance.xcom_push(key=name, value=value)
        instance.xcom_push(key="metrics", value=dict(result.metrics))

    def _require_one_action(self) -> None:
        given = [name for name in ("run", "command") if getattr(self, name)]
        if len(given) > 1:
            raise StageConfigurationError(f"stage {self.task_id!r}: give run or command, not both")
        if not given and self.body is None:
            raise StageConfigurationError(
                f"stage {self.task_id!r} of kind {self.kind!r} has nothing to run: give run='module:function' "
                f"or command=[...]"
            )
        taken = sorted(set(RESERVED_OUTPUTS) & self.outputs.keys())
        if taken:
            raise StageConfigurationError(f"stage {self.task_id!r}: output {taken[0]!r} is a reserved name; rename it")
