"""The run context of a task instance of Airflow."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset, AssetAlias, BaseOperator
from airflow.sdk.exceptions import AirflowRuntimeError, AirflowTaskTimeout, TaskDeferred

from airflow_ml_provider.attempts.identity import StageIdentity
from airflow_ml_provider.attempts.run_context import RunContext, SeenRun, Stop
from airflow_ml_provider.hooks.mlflow import MlflowHook

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_ml_provider.mlflow_api.server import MlflowServer
    from airflow_ml_provider.settings import MlSettings

TakeBranch = Callable[["Context", Sequence[str]], None]
"""Skips all direct downstream tasks but those that are named."""


def airflow_run(
    operator: BaseOperator,
    context: Context,
    *,
    settings: MlSettings,
    take_branch: TakeBranch,
    stop: Stop | None = None,
) -> RunContext:
    """Return the run context of a task.

    Args:
        operator: The task.
        context: Its context.
        settings: The section ``[ml]``, with what the operator says itself.
        take_branch: Skips what follows but a branch.
        stop: Whether the task is to end.
    """
    values: Mapping[str, Any] = context
    return RunContext(
        identity=identity_of(context, store=settings.store),
        settings=settings,
        log=operator.log,
        state=values.get("task_state_store"),  # type: ignore[arg-type]
        outputs=XComs(context),
        connections=AirflowConnections(),
        events=_AssetEvents(operator, context),
        runs=_DagRuns(context),
        flow=_Downstream(operator, context, take_branch),
        params=values.get("params") or {},
        partition=getattr(values.get("dag_run"), "partition_key", None),
        closes_mlflow_runs=any(getattr(task, "closes_mlflow_runs", False) for task in context["dag"].tasks),
        stop=stop or Stop(),
        suspensions=(TaskDeferred,),
        timeouts=(AirflowTaskTimeout,),
    )


def identity_of(context: Context, *, store: str) -> StageIdentity:
    """Return which stage of which run a task instance is.

    Args:
        context: The task's context.
        store: URI of the artifact store.
    """
    instance = context["ti"]
    return StageIdentity(
        store=store,
        pipeline=instance.dag_id,
        dag_run=instance.run_id,
        stage=instance.task_id,
        map_index=-1 if instance.map_index is None else instance.map_index,
        try_number=instance.try_number,
    )


class XComs:
    """The outputs of a task instance."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def push(self, key: str, value: Any) -> None:
        """Push an XCom."""
        self._context["ti"].xcom_push(key=key, value=value)


class AirflowConnections:
    """Airflow's connections."""

    def mlflow(self, conn_id: str) -> MlflowServer:
        """Return the MLflow server of a connection."""
        return MlflowHook(conn_id).server()


class _AssetEvents:
    def __init__(self, operator: BaseOperator, context: Context) -> None:
        self._operator = operator
        self._context = context

    def emit(self, *, name: str, uri: str, extra: Mapping[str, Any]) -> None:
        alias = next(outlet for outlet in self._operator.outlets if isinstance(outlet, AssetAlias))
        self._context["outlet_events"][alias].add(Asset(name=name, uri=uri), extra=dict(extra))

    def received(self, asset: str, *, after: str | None) -> Iterable[Any]:
        accessor = self._context["inlet_events"][Asset.ref(name=asset)]
        return accessor if after is None else accessor.after(after)


class _DagRuns:
    def __init__(self, context: Context) -> None:
        self._context = context

    def seen(self, dag_run: str) -> SeenRun:
        instance = self._context["ti"]
        dag, run = instance.dag_id, [dag_run]
        try:
            state = instance.get_dagrun_state(dag, dag_run)
            failed = instance.get_ti_count(dag, run_ids=run, states=["failed", "upstream_failed"])
            passed = instance.get_ti_count(dag, run_ids=run, task_ids=[instance.task_id], states=["success"])
        except AirflowRuntimeError as error:
            raise LookupError(str(error)) from error
        # A text, or an enumeration whose members are texts.
        return SeenRun(state=str(getattr(state, "value", state)), failed=bool(failed), passed=bool(passed))


class _Downstream:
    def __init__(self, operator: BaseOperator, context: Context, take_branch: TakeBranch) -> None:
        self._operator = operator
        self._context = context
        self._take_branch = take_branch

    @property
    def downstream(self) -> Sequence[str]:
        return self._direct(teardown=False)

    @property
    def teardowns(self) -> Sequence[str]:
        return self._direct(teardown=True)

    def take(self, branch: Sequence[str]) -> None:
        self._take_branch(self._context, branch)

    def _direct(self, *, teardown: bool) -> Sequence[str]:
        found = self._operator.get_direct_relatives(upstream=False)
        return [task.task_id for task in found if task.is_teardown == teardown]
