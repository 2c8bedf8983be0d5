"""A model into the MLflow registry."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from airflow_ml_provider.errors import StageConfigurationError
from airflow_ml_provider.kinds.register import RegisterStage, register_inputs
from airflow_ml_provider.kinds.stage import Stage
from airflow_ml_provider.operators.links import MlflowRunLink, ModelVersionLink
from airflow_ml_provider.operators.stage import StageOperator

MODEL_NAME_PATTERN = r"[A-Za-z0-9_.\- ]{1,200}"


class RegisterOperator(StageOperator):
    """Registers a model once for the same content; alias ``challenger``, or ``champion`` when its gates passed.

    The XCom ``model`` holds name, version, alias, digest, the champion before, and whether it was ``promoted``.

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

    stage_class: ClassVar[type[Stage]] = RegisterStage

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
        super().__init__(inputs=register_inputs(model=model, card=card), **kwargs)
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
