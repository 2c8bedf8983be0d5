"""A model into the MLflow registry."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_ml_provider.errors import StageConfigurationError
from airflow_ml_provider.operators.links import MODEL_VERSION_URL, MlflowRunLink, ModelVersionLink
from airflow_ml_provider.operators.stage import StageOperator
from airflow_ml_provider.protocol.champions import TAG_LIMIT

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_ml_provider.artifacts.store import ArtifactStore
    from airflow_ml_provider.attempts.identity import StageIdentity
    from airflow_ml_provider.protocol.result import StageResult

MODEL_NAME_PATTERN = r"[A-Za-z0-9_.\- ]{1,200}"


class RegisterOperator(StageOperator):
    """Registers a model once for the same content; alias ``challenger``, or ``champion`` when its gates passed.

    The XCom ``model`` holds name, version, alias, digest and the champion before.

    Args:
        model: The model artifact (``train.output["model"]``), a folder in MLflow's model format.
        model_name: The registered model's name (``name`` in the YAML).
        card: A model card (``evaluate.output["card"]``), which becomes the version's description.
        gates: Verdicts of evaluate stages (``[evaluate.output["gate"]]``); without one the alias is
            ``challenger``.
        promote: Whether it becomes champion here, or an approval that follows decides.
        loader: The module that loads a model which is a plain folder: its ``_load_pyfunc(path)`` returns an object with
            ``predict``. It is in ``code``, which is registered with the folder.
    """

    kind: ClassVar[str] = "register"
    body: ClassVar[str | None] = "register"
    needs_tracking: bool = True
    never_reused: ClassVar[str] = "a model is registered anew each time, which changes nothing where it is there"
    template_fields: Sequence[str] = tuple(sorted({*StageOperator.template_fields, "gates", "model", "model_name"}))
    operator_extra_links = (MlflowRunLink(), ModelVersionLink())

    def __init__(
        self,
        *,
        model: Any,
        model_name: str,
        gates: Sequence[Any] = (),
        card: Any = None,
        promote: bool = True,
        loader: str = "",
        **kwargs: Any,
    ) -> None:
        super().__init__(inputs={"model": model, **({} if card is None else {"card": card})}, **kwargs)
        self.model = model
        self.model_name = model_name
        self.gates = gates
        self.promote = promote
        self.loader = loader
        if self.run or self.command or self.outputs:
            raise StageConfigurationError(
                f"stage {self.task_id!r}: register takes a model and a name, neither run, command nor outputs"
            )
        if loader and not self.code:
            raise StageConfigurationError(f"stage {self.task_id!r}: loader {loader!r} is in code: give code")
        if self.mlflow_conn_id is None:
            raise StageConfigurationError(f"stage {self.task_id!r}: register needs MLflow: set mlflow_conn_id")

    def options(self, context: Context, *, identity: StageIdentity, store: ArtifactStore) -> dict[str, Any]:
        """Return name, lineage and whether the gates passed."""
        if not re.fullmatch(MODEL_NAME_PATTERN, self.model_name):
            raise StageConfigurationError(
                f"stage {self.task_id!r}: model name {self.model_name!r} is not allowed: use letters, digits, "
                f"'_', '-', '.' and spaces, 200 characters at most"
            )
        if not isinstance(self.gates, Sequence) or isinstance(self.gates, str):
            raise StageConfigurationError(f"stage {self.task_id!r}: gates is {self.gates!r}, not a list of verdicts")
        for gate in self.gates:
            if not isinstance(gate, Mapping) or not isinstance(gate.get("passed"), bool):
                raise StageConfigurationError(
                    f"stage {self.task_id!r}: gate {gate!r} is no verdict of an evaluate stage; pass "
                    f"evaluate.output['gate'] of a stage that has a gate"
                )
        tags = {"airflow_ml.pipeline": identity.pipeline, "airflow_ml.dag_run": identity.dag_run}
        model = self.inputs["model"]
        if isinstance(model, Mapping):
            tags["airflow_ml.artifact"] = str(model.get("uri"))
        reasons = "; ".join(str(reason) for gate in self.gates for reason in gate.get("reasons", ()))
        if reasons:
            tags["airflow_ml.gate"] = reasons[:TAG_LIMIT]
        return {
            "model_name": self.model_name,
            "loader": self.loader,
            "promote": self.promote and bool(self.gates) and all(gate["passed"] for gate in self.gates),
            "tags": tags,
        }

    def accept(self, context: Context, result: StageResult) -> Sequence[str] | None:
        """Push the version's address."""
        from airflow_ml_provider.hooks.mlflow import MlflowHook

        model = result.values["model"]
        url = MlflowHook(str(self.mlflow_conn_id)).model_url(model["name"], model["version"])
        self.log.info("%s version %s is %s: %s", model["name"], model["version"], model["alias"], url)
        context["ti"].xcom_push(key=MODEL_VERSION_URL, value=url)
        return None
