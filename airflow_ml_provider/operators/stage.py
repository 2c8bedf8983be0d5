"""The base of all stage operators: what a stage is. How it runs: ``execution/stage_execution.py``."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.sdk.exceptions import TaskDeferralError, TaskDeferralTimeout

from airflow_ml_provider.attempts.run_context import Stop
from airflow_ml_provider.decisions.stage_rules import RESERVED_OUTPUTS, require_code, require_different_names
from airflow_ml_provider.errors import StageConfigurationError, settings_of
from airflow_ml_provider.exceptions import raised_as_airflow
from airflow_ml_provider.kinds.stage import Stage
from airflow_ml_provider.operators.links import MlflowRunLink
from airflow_ml_provider.pod.resources import resource_requirements
from airflow_ml_provider.runners.pod_arguments import require_effect, schedule_timeout
from airflow_ml_provider.tasks.checked_templates import CheckedTemplates
from airflow_ml_provider.tasks.json_templates import JsonTemplates
from airflow_ml_provider.tasks.noted_stage import NotedStage
from airflow_ml_provider.tasks.retry_policy import NO_RETRY, retry_policy

if TYPE_CHECKING:
    from airflow.sdk import DAG, BaseOperatorLink, Context
    from kubernetes.client import V1Pod

    from airflow_ml_provider.attempts.run_context import RunContext
    from airflow_ml_provider.decisions.trust.uri_bounds import UriBounds
    from airflow_ml_provider.execution.stage_execution import StageExecution
    from airflow_ml_provider.reuse.stage_note import StageNote
    from airflow_ml_provider.runners.pod_settings import PodSettings
    from airflow_ml_provider.settings import MlSettings

_POD_ARGUMENTS = frozenset(inspect.signature(KubernetesPodOperator.__init__).parameters) - {
    *("self", "kwargs", "name", "do_xcom_push", "deferrable", "on_kill_action", "poll_interval", "skip_on_exit_code")
}


class StageOperator(NotedStage, CheckedTemplates, JsonTemplates, KubernetesPodOperator):
    """Runs one stage of a pipeline: a Python function, a command, or a built-in body.

    Arguments of KubernetesPodOperator pass through, or are refused with the reason
    (docs/reference/pod-arguments.md); the local runner names in its log those that only a pod can honour.

    Args:
        run: ``module:function`` of plain Python code.
        command: A command line in any language.
        inputs: Artifacts by name: another stage's output (``train.output["model"]``), or an artifact's URI.
        outputs: Artifact types by output name (``{"model": "model"}``).
        hyperparameters: The function's keyword arguments, JSON values (``params`` in the YAML); of a list of mappings
            a later one overrides those before it (``[tune.output["best_params"], {"seed": 7}]``).
        code: A folder of code, shipped by its digest; relative to the DAG's file.
        store: URI of the artifact store; default from ``[ml] store``.
        runner: Where the stage runs; default from ``[ml] runner``.
        stage_resources: ``{"cpu": 2, "memory": "4Gi", "gpu": 1}`` (``resources`` in the YAML); with ``max_memory`` a
            pod that ran out of memory is followed by one with twice as much, up to that.
        mlflow_conn_id: The MLflow connection; ``None`` runs untracked.
        experiment: The MLflow experiment's name; default is the DAG's id.
        max_disruptions: How many pods that were evicted, preempted or lost are replaced within one try.
        no_retry: Verdicts after which no retry is wanted: ``user_code``, ``bad_data``, ``out_of_memory``; short for a
            ``retry_policy`` that fails on their errors.
        capacity_timeout: How long a pod waits for a node before the stage fails; default as long as the task may run.
        io: Who brings a pod's inputs and outputs: ``direct``, the stage's own container, which needs Python and the
            store's client; or ``staged``, two containers around it, so that it may be any image. Default ``direct`` for
            ``run`` and ``staged`` for ``command``.
        strict_metrics: Fail where the code measures something that cannot be kept as a metric: NaN, infinity, text, a
            name that MLflow does not take, more than 1,000. By default the log says so and the rest is kept.
        checkpoints: How often the stage's folder of checkpoints is brought to the store; an attempt that follows one
            that was cut short finds its content again. ``None`` keeps nothing.
        io_image: Image of those two containers; default from ``[ml] image``.
        cache: Whether an earlier result of the same work is taken instead of running it: ``True``, or
            ``{"ttl": timedelta(days=7), "ignore": ["params.seed"], "version": "2", "image": "trust-tag"}``.
        base_folder: Where relative paths start; default is the folder of the DAG's file.
        do_xcom_push: Push one XCom per output, and ``metrics``.

    Raises:
        StageConfigurationError: The arguments do not fit each other.
    """

    stage_class: ClassVar[type[Stage]] = Stage
    """What the stage is after rendering; a kind has its own."""
    runs_pods: ClassVar[bool] = True
    """Whether pods with a stage's labels may be left of its tasks."""
    template_fields: Sequence[str] = tuple(
        sorted({*KubernetesPodOperator.template_fields, "code", "command", "hyperparameters", "inputs", "run"})
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {
        **KubernetesPodOperator.template_fields_renderers,
        "hyperparameters": "json",
        "inputs": "json",
    }
    operator_extra_links: Collection[BaseOperatorLink] = (MlflowRunLink(),)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "__init__" in vars(cls):
            # A mapped operator is made in the task, and what is wrong with it is not tried again.
            cls.__init__ = raised_as_airflow()(cls.__init__)  # type: ignore[method-assign]

    @raised_as_airflow()
    def __init__(
        self,
        *,
        run: str | None = None,
        command: Sequence[str] | None = None,
        inputs: Mapping[str, Any] | None = None,
        outputs: Mapping[str, str] | None = None,
        hyperparameters: Mapping[str, Any] | Sequence[Any] | None = None,
        code: str | None = None,
        store: str | None = None,
        runner: str | None = None,
        stage_resources: Mapping[str, str | int | float] | None = None,
        mlflow_conn_id: str | None = "mlflow_default",
        experiment: str | None = None,
        max_disruptions: int = 3,
        no_retry: Collection[str] = (),
        capacity_timeout: timedelta | None = None,
        io: Literal["direct", "staged"] | None = None,
        io_image: str | None = None,
        strict_metrics: bool = False,
        checkpoints: timedelta | None = None,
        cache: bool | Mapping[str, Any] = False,
        base_folder: str | None = None,
        do_xcom_push: bool = True,
        **kwargs: Any,
    ) -> None:
        if stage_resources and "container_resources" not in kwargs:
            kwargs["container_resources"] = resource_requirements(stage_resources)
        if no_retry and kwargs.get("retry_policy") is None:
            kwargs["retry_policy"] = retry_policy(no_retry)
        if capacity_timeout is None:
            capacity_timeout = schedule_timeout(kwargs)
        super().__init__(do_xcom_push=do_xcom_push, **kwargs)
        require_effect(str(kwargs.get("task_id")), kwargs, deferrable=self.deferrable)
        self.run = run
        self.command = command
        self.inputs = {} if inputs is None else inputs
        self.outputs = dict(self.stage_class.default_outputs if outputs is None else outputs)
        self.hyperparameters = {} if hyperparameters is None else hyperparameters
        self.code = code
        self.store = store
        self.runner = runner
        self.stage_resources = stage_resources
        self.mlflow_conn_id = mlflow_conn_id
        self.experiment = experiment
        self.max_disruptions = max_disruptions
        self.no_retry = tuple(sorted(no_retry))
        self.capacity_timeout = capacity_timeout
        self.io = io
        self.io_image = io_image
        self.strict_metrics = strict_metrics
        self.checkpoints = checkpoints
        self.cache = cache
        self.base_folder = base_folder
        self.only_in_pods = sorted(_POD_ARGUMENTS & kwargs.keys())
        self._stop = Stop()
        self._require_sound()

    @raised_as_airflow()
    def execute(self, context: Context) -> None:
        """Run the stage and push its outputs and metrics.

        Raises:
            StageConfigurationError: The stage does not fit its code; no retry.
            StageFailedError: The stage's process failed; Airflow's retries apply.
            MlflowUnavailableError: MLflow did not answer before the work began, or when it was closed.
        """
        self._execution(context).run()

    @raised_as_airflow()
    def resume(self, context: Context, event: Any) -> None:
        """Go on after a deferral.

        Args:
            context: The task's context.
            event: What the trigger saw.
        """
        self._execution(context).resume(event)

    @raised_as_airflow()
    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Go on after a deferral, or see to what is left when Airflow ended the wait: a timeout, a lost trigger."""
        try:
            return super().resume_execution(next_method, next_kwargs, context)
        except (TaskDeferralError, TaskDeferralTimeout) as error:
            self._execution(context).abandon(error)

    def stage(self, context: Context) -> Stage:
        """Return the stage as its execution sees it, its templates rendered."""
        return self.stage_class(**self.stage_settings(context))

    def stage_settings(self, context: Context) -> dict[str, Any]:
        """Return the fields of the stage by name: this operator's attributes of the same names."""
        given = {each.name: getattr(self, each.name) for each in fields(self.stage_class) if hasattr(self, each.name)}
        return {**given, "base_folder": self._folder(context["dag"])}

    def stage_note(self) -> StageNote:
        """Return what a plan says of the stage where its DAG's files are not."""
        from airflow_ml_provider.tasks.stage_note import stage_note

        return stage_note(self, settings=self._settings, base_folder=self._folder(self.dag))

    def uri_bounds(self, context: Context) -> UriBounds:
        """Return what bounds the URIs that whoever triggers a run has a say in."""
        # Not imported with the module: parsing a DAG needs nothing of it.
        from airflow_ml_provider.decisions.trust.uri_bounds import UriBounds

        settings = self._settings()
        return UriBounds(self._folder(context["dag"]), settings.allowed_uris, settings.store)

    def take_branch(self, context: Context, branch: Sequence[str]) -> None:
        """Skip all direct downstream tasks but those of the branch."""
        raise AssertionError(f"{type(self).__name__} does not branch")

    def on_kill(self) -> None:
        """End the stage's work; called from Airflow's signal handler."""
        self._killed = True
        self._stop.request()

    def run_context(self, context: Context) -> RunContext:
        """Return what the stage's execution sees of this task.

        Raises:
            StageConfigurationError: A setting of ``[ml]`` is not one of those allowed.
        """
        from airflow_ml_provider.tasks.run_context import airflow_run

        return airflow_run(self, context, settings=self._settings(), take_branch=self.take_branch, stop=self._stop)

    def pod_settings(self, context: Context, *, staged: bool) -> PodSettings:
        """Return how the arguments describe a pod.

        Args:
            context: The task's context.
            staged: Whether inputs and outputs have containers of their own.
        """
        from airflow_ml_provider.runners.pod_settings import ContainerLogSettings
        from airflow_ml_provider.tasks.pod_settings import pod_settings

        settings = self._settings()
        logs = ContainerLogSettings(
            get_logs=self.get_logs,
            # KubernetesPodOperator's own property names the stage's where none was asked for.
            containers=self._container_logs,
            init_containers=self.init_container_logs,
            prefixed=self.container_name_log_prefix_enabled,
            formatter=self.log_formatter,
            progress=self._progress_callback,
        )
        return pod_settings(
            self,
            context,
            settings=settings,
            staged=staged,
            io_image=self.io_image or settings.image,
            capacity_timeout=self.capacity_timeout,
            logs=logs,
            created=self._see_pod,
        )

    def _folder(self, dag: DAG) -> str:
        return str(self.base_folder or Path(dag.fileloc).parent)

    def _settings(self) -> MlSettings:
        from airflow_ml_provider.configuration import ml_settings

        return ml_settings(store=self.store, runner=self.runner)

    def _see_pod(self, pod: V1Pod) -> None:
        self.pod = pod

    def _execution(self, context: Context) -> StageExecution:
        # Not imported with the module: parsing a DAG needs nothing of what running a stage needs.
        from airflow_ml_provider.execution.stage_execution import StageExecution

        stage, run = self.stage(context), self.run_context(context)
        if run.settings.runner == "local":
            from airflow_ml_provider.runners.local_runner import LocalRunner

            return StageExecution(stage, run, LocalRunner.of(run.settings, log=run.log))
        from airflow_ml_provider.runners.pod_runner import PodRunner

        return StageExecution(stage, run, PodRunner(self.pod_settings(context, staged=stage.is_staged), stage, run))

    def build_pod_request_obj(self, context: Context | None = None, *, dry_run: bool = False) -> V1Pod:
        """Return the pod of the arguments, template, connection and config, without what makes it a stage's."""
        settings = self._settings()
        if not (self.pod_template_file or self.pod_template_dict or self.full_pod_spec):
            self.pod_template_file = settings.pod_template or None
        # KubernetesPodOperator takes do_xcom_push for the order to add its sidecar.
        pushes, self.do_xcom_push = self.do_xcom_push, False
        # Each build adds to them.
        variables = list(self.env_vars) if isinstance(self.env_vars, list) else self.env_vars
        try:
            pod = super().build_pod_request_obj(context, dry_run=dry_run)
        finally:
            self.do_xcom_push, self.env_vars = pushes, variables
        for container in pod.spec.containers:
            if container.name == self.base_container_name and not container.image:
                container.image = settings.image or None
        if not pod.spec.service_account_name:
            pod.spec.service_account_name = settings.service_account or None
        if self.automount_service_account_token is not None:
            # KubernetesPodOperator takes False for nothing where the template says True.
            pod.spec.automount_service_account_token = self.automount_service_account_token
        return pod

    @cached_property
    def _incluster_namespace(self) -> str | None:
        # Where KubernetesPodOperator looks when neither arguments, template nor connection name a namespace.
        return self._settings().namespace or super()._incluster_namespace

    def _require_sound(self) -> None:
        if self.io not in (None, "direct", "staged"):
            raise StageConfigurationError(f"stage {self.task_id!r}: io is {self.io!r}; allowed are direct, staged")
        with settings_of(self.task_id):
            require_code(
                run=self.run,
                command=self.command,
                io=self.io,
                checkpoints=self.checkpoints,
                may_lack=self.stage_class.body is not None,
            )
            if self.run or self.command:
                inputs, fixed = (
                    found if isinstance(found, Mapping) else () for found in (self.inputs, self.hyperparameters)
                )
                require_different_names(inputs, self.outputs, fixed)
        if self.cache:
            from airflow_ml_provider.kinds.cache_policy import cache_policy

            cache_policy(self.cache, task_id=self.task_id)
        unknown = sorted(set(self.no_retry) - set(NO_RETRY))
        if unknown:
            raise StageConfigurationError(
                f"stage {self.task_id!r}: no_retry names {unknown[0]!r}; allowed are {', '.join(NO_RETRY)}"
            )
        taken = sorted(set(RESERVED_OUTPUTS) & self.outputs.keys())
        if taken:
            raise StageConfigurationError(f"stage {self.task_id!r}: output {taken[0]!r} is a reserved name; rename it")
