"""A person decides whether a registered model becomes champion."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from airflow.configuration import conf
from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import Param

from airflow_ml_provider.decisions.trust.approvers import approver, require_known
from airflow_ml_provider.errors import StageConfigurationError
from airflow_ml_provider.exceptions import raised_as_airflow
from airflow_ml_provider.kinds.approval import Answer, question, record, version_to_approve, what_to_know
from airflow_ml_provider.protocol.plain_text import one_line
from airflow_ml_provider.tasks.checked_templates import CheckedTemplates
from airflow_ml_provider.tasks.noted_stage import NotedStage

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_ml_provider.mlflow_api.registry import ModelRegistry
    from airflow_ml_provider.reuse.stage_note import StageNote

REASON = "reason"
"""The field of the form in which an approver may say why."""


class ApproveOperator(NotedStage, CheckedTemplates, ApprovalOperator):
    """Waits for a person's answer about a registered version, and records it on the version.

    The person sees the model card, what the gates said, and links to the version and the champion. The answer is kept
    in tags of the version (``airflow_ml.approval``, ``.approval_by``, ``.approval_at``, ``.approval_reason``) and in
    the XCom ``approval``. See https://airflow.apache.org/docs/apache-airflow/stable/tutorial/hitl.html.

    Args:
        model: What a register stage put out (``register.output["model"]``).
        approvers: Users of Airflow who may answer, by the id that its auth manager knows them by, or as
            ``{"id": ..., "name": ...}``; anybody who may edit the run by default.
        on_timeout: What is taken for the answer after ``response_timeout``.
        on_reject: Whether what follows is skipped, or the task fails.
        promote: Whether an approved version becomes ``champion`` here, or something that follows sees to that.
        mlflow_conn_id: The MLflow connection.

    Raises:
        StageConfigurationError: The arguments do not fit each other.
    """

    template_fields: Collection[str] = tuple(sorted({*ApprovalOperator.template_fields, "model"}))

    @raised_as_airflow()
    def __init__(
        self,
        *,
        model: Any,
        approvers: Sequence[str | Mapping[str, Any]] = (),
        on_timeout: Literal["reject", "approve", "fail"] = "reject",
        on_reject: Literal["skip", "fail"] = "skip",
        promote: bool = True,
        mlflow_conn_id: str = "mlflow_default",
        response_timeout: timedelta | None = None,
        **kwargs: Any,
    ) -> None:
        for name, value, allowed in (
            ("on_timeout", on_timeout, ("reject", "approve", "fail")),
            ("on_reject", on_reject, ("skip", "fail")),
        ):
            if value not in allowed:
                raise StageConfigurationError(f"{name} is {value!r}; allowed are {', '.join(allowed)}")
        if isinstance(approvers, str | Mapping) or not isinstance(approvers, Sequence):
            raise StageConfigurationError(f"approvers is {one_line(repr(approvers), 80)}: write a list of users")
        try:
            users = [approver(each) for each in approvers]
            require_known(users, auth_manager=conf.get("core", "auth_manager", fallback=""))
        except ValueError as error:
            raise StageConfigurationError(f"approvers: {error}") from error
        # Airflow hands every operator its DAG's params; the form of the answer has its own.
        kwargs.pop("params", None)
        super().__init__(
            subject="A model waits for approval",
            body="",
            defaults={"reject": self.REJECT, "approve": self.APPROVE, "fail": None}[on_timeout],
            fail_on_reject=on_reject == "fail",
            assigned_users=users or None,
            response_timeout=response_timeout,
            params={REASON: Param("", type="string", title="Reason", description="Kept with the version")},
            **kwargs,
        )
        self.model = model
        self.approvers = tuple(approvers)
        self.on_timeout = on_timeout
        self.on_reject = on_reject
        self.promote = promote
        self.mlflow_conn_id = mlflow_conn_id

    def stage_note(self) -> StageNote:
        """Return what a plan says of the stage: it asks in each run."""
        from airflow_ml_provider.reuse.stage_note import StageNote

        return StageNote(kind="approve")

    @raised_as_airflow()
    def execute(self, context: Context) -> None:
        """Ask.

        Raises:
            TaskAwaitingInput: The task waits for the answer.
            MlflowError: MLflow does not know the version.
        """
        name, version = version_to_approve(self.model, stage=self.task_id)
        registry = self._registry()
        self.subject = question(name, version)
        self.body = what_to_know(registry, self.model)
        super().execute(context)

    @raised_as_airflow()
    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        """Record the answer; promote the version, or skip what follows.

        Raises:
            HITLTimeoutError: Nobody answered in time, and ``on_timeout`` is ``fail``.
            HITLRejectException: The answer is no, and ``on_reject`` is ``fail``.
            MlflowError: MLflow refused.
        """
        if "error" not in event:
            self.validate_chosen_options(event["chosen_options"])
            self._record(context, event)
        return super().execute_complete(context, event)

    def _record(self, context: Context, event: Mapping[str, Any]) -> None:
        name, version = version_to_approve(self.model, stage=self.task_id)
        user, at = event.get("responded_by_user"), event["responded_at"]
        answer = Answer(
            approved=event["chosen_options"] == [self.APPROVE],
            by=str(user["name"]) if user else "nobody, in time",
            at=at.isoformat() if isinstance(at, datetime) else str(at),
            reason=str((event.get("params_input") or {}).get(REASON) or ""),
        )
        kept = record(self._registry(), answer, name=name, version=version, promote=self.promote)
        self.log.info("%s version %s was %s by %s", name, version, kept["approval"], answer.by)
        context["ti"].xcom_push(key="approval", value=kept)

    def _registry(self) -> ModelRegistry:
        from airflow_ml_provider.hooks.mlflow import MlflowHook
        from airflow_ml_provider.mlflow_api.registry import ModelRegistry

        return ModelRegistry(MlflowHook(self.mlflow_conn_id).get_conn())
