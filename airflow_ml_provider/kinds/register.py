"""A model into the MLflow registry."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_ml_provider.errors import StageConfigurationError
from airflow_ml_provider.kinds.stage import Stage
from airflow_ml_provider.protocol.promotions import TAG_LIMIT

if TYPE_CHECKING:
    from airflow_ml_provider.artifacts.store import ArtifactStore
    from airflow_ml_provider.attempts.run_context import RunContext
    from airflow_ml_provider.protocol.result import StageResult

MODEL_NAME_PATTERN = r"[A-Za-z0-9_.\- ]{1,200}"
MODEL_VERSION_URL = "model_version_url"
"""The key of the output that holds the address of the version's page."""


@dataclass(frozen=True, kw_only=True)
class RegisterStage(Stage):
    """Registers a model once for the same content."""

    kind: ClassVar[str] = "register"
    body: ClassVar[str | None] = "register"
    template_fields: ClassVar[Sequence[str]] = (*Stage.template_fields, "gates", "model_name")
    never_reused: ClassVar[str] = "a model is registered anew each time, which changes nothing where it is there"

    model_name: str
    gates: Sequence[Any] = ()
    promote: bool = True
    loader: str = ""

    @classmethod
    def completed(cls, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Return an operator's arguments with the defaults of the kind, and inputs by name."""
        return super().completed({**arguments, "inputs": register_inputs(**arguments)})

    @property
    def needs_tracking(self) -> bool:
        """Whether the stage cannot work without MLflow: always."""
        return True

    def options(self, run: RunContext, *, store: ArtifactStore) -> dict[str, Any]:
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
                    f"stage {self.task_id!r}: gate {gate!r} is not a verdict of an evaluate stage; pass "
                    f"evaluate.output['gate'] of a stage that has a gate"
                )
        tags = {"airflow_ml.pipeline": run.identity.pipeline, "airflow_ml.dag_run": run.identity.dag_run}
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

    def accept(self, run: RunContext, result: StageResult) -> Sequence[str] | None:
        """Push the version's address."""
        from airflow_ml_provider.mlflow_api.client import MlflowClient

        model = result.values["model"]
        client = MlflowClient(run.connections.mlflow(str(self.mlflow_conn_id)))
        url = client.model_url(model["name"], model["version"])
        run.log.info("%s version %s is %s: %s", model["name"], model["version"], model["alias"], url)
        run.outputs.push(MODEL_VERSION_URL, url)
        if self.do_xcom_push:
            # What an approver sees: MLflow's tags and description anybody may change who has rights there.
            card = self.inputs.get("card")
            gates = [
                {"passed": gate["passed"], "reasons": [str(reason) for reason in gate.get("reasons", ())]}
                for gate in self.gates
            ]
            promoted = model["alias"] == "champion" and model["previous_champion"] != model["version"]
            shown = card if isinstance(card, Mapping) else None
            run.outputs.push("model", {**model, "promoted": promoted, "gates": gates, "card": shown})
        return None


def register_inputs(*, model: Any, card: Any = None, **others: Any) -> dict[str, Any]:
    """Return the inputs of a register stage, of its arguments."""
    return {"model": model, **({} if card is None else {"card": card})}
