"""One model measured: by the user's code, by its predictions, or by predicting here."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.protocol.environment import command_variables
from airflow_ml_provider.protocol.request import StageRequest
from airflow_ml_provider.runtime.code_outcome import call_function, command_outcome
from airflow_ml_provider.runtime.command import run_command
from airflow_ml_provider.runtime.errors import BadDataError, ContractError
from airflow_ml_provider.runtime.function import load_function, user_code_error
from airflow_ml_provider.runtime.stages import BodyContext, BodyOutcome

if TYPE_CHECKING:
    from pandas import DataFrame, Series

_SHOWN = 500
PREDICTIONS = "predictions"
"""The output in which the user's code leaves predictions, one row each."""
CARD = "card"


@dataclass(frozen=True)
class Measured:
    """A model's metrics.

    Attributes:
        metrics: All of them.
        table: Its predictions with what was to be predicted, where there are any.
        by_code: The metrics that the code returned.
        values: What a result says beside metrics: those that are not finite, params that the code took by default.
    """

    metrics: dict[str, float]
    table: DataFrame | None
    by_code: frozenset[str] = frozenset()
    values: Mapping[str, Any] = field(default_factory=dict)


def model_input(request: StageRequest) -> str:
    """Return the name of the input that is the model.

    Raises:
        ContractError: There is none, or there are several.
    """
    found = [name for name, ref in request.inputs.items() if ref.type == "model"]
    if "model" in request.inputs:
        return "model"
    if len(found) != 1:
        shown = ", ".join(f"{name} ({ref.type})" for name, ref in request.inputs.items()) or "none"
        raise ContractError(f"evaluate: name the input that is the model 'model'; got {shown}")
    return found[0]


def measure(context: BodyContext, name: str, model: Path, *, outputs: Mapping[str, Path] | None) -> Measured:
    """Measure a model.

    Args:
        context: The stage.
        name: The input that is the model.
        model: The model to take for it.
        outputs: Where its outputs go; ``None`` throws them away.

    Raises:
        ContractError: Code, model and data do not fit each other.
        BadDataError: The predictions have no such column.
        UserCodeError: The code failed.
    """
    request, options = context.request, context.request.options
    inputs = {**context.inputs, name: model}
    folder = Path(tempfile.mkdtemp(prefix="measured-", dir=model.parent))
    try:
        own = {
            output: (folder / output if outputs is None else outputs[output])
            for output in request.outputs
            if output != CARD
        }
        found = BodyOutcome()
        if request.run is not None:
            found = call_function(request, load_function(request.run), inputs=inputs, outputs=own)
        elif request.command:
            found = _command(request, inputs, own, folder)
        if options["task"] is None:
            return Measured(dict(found.metrics), None, values=found.values)
        table = _predictions(request, own) if request.run or request.command else _predicted(request, inputs, name)
    finally:
        shutil.rmtree(folder)
    from airflow_ml_provider.runtime.stages.task_metrics import task_metrics

    metrics = {**task_metrics(table, options), **found.metrics}
    return Measured(metrics, table, frozenset(found.metrics), found.values)


def _command(
    request: StageRequest, inputs: Mapping[str, Path], outputs: Mapping[str, Path], folder: Path
) -> BodyOutcome:
    result = folder / "result.json"
    variables = command_variables(
        inputs={name: str(path) for name, path in inputs.items()},
        outputs={name: str(path) for name, path in outputs.items()},
        params=request.params,
        result=str(result),
    )
    run_command(request.command, environment=variables, folder=Path.cwd())
    return command_outcome(request, result)


def _predictions(request: StageRequest, outputs: Mapping[str, Path]) -> DataFrame:
    from airflow_ml_provider.runtime.stages.dataset.reading import read_dataset

    path = outputs.get(PREDICTIONS)
    if path is None or not path.exists():
        raise ContractError(
            f"evaluate: task {request.options['task']!r} needs predictions: the code writes them, one row each, to an "
            f"output {PREDICTIONS!r} (outputs: {{{PREDICTIONS}: dataset}}), with the columns "
            f"{request.options['target']!r} and {request.options['prediction']!r}"
        )
    return read_dataset(path, name=PREDICTIONS).inferred()


def _predicted(request: StageRequest, inputs: Mapping[str, Path], model: str) -> DataFrame:
    import mlflow
    import pandas as pd
    from mlflow.exceptions import MlflowException

    from airflow_ml_provider.runtime.stages.dataset.reading import read_dataset
    from airflow_ml_provider.runtime.stages.dataset.signature import features_of

    data = [name for name in inputs if name != model]
    if len(data) != 1:
        raise ContractError(f"evaluate: beside the model one dataset is an input, got {', '.join(data) or 'none'}")
    dataset, target = read_dataset(inputs[data[0]], name=data[0]), request.options["target"]
    table = dataset.inferred()
    if target not in table.columns and request.options["task"] != "clustering":
        raise BadDataError(
            f"{data[0]} has no column {target!r}; it has {', '.join(map(str, table.columns))}: say target"
        )
    try:
        loaded = mlflow.pyfunc.load_model(str(inputs[model]))
    except (MlflowException, OSError) as error:
        raise ContractError(f"evaluate: {model} is no model that MLflow can load: {error}") from error
    schema = loaded.metadata.get_input_schema()
    features = features_of(dataset.without(target), schema, name=data[0], model=model)
    if features.reasons:
        first = min(features.reasons)
        raise BadDataError(
            f"{data[0]}: {len(features.reasons):,} of {len(dataset):,} rows are not what {model} takes; row {first}: "
            f"{features.reasons[first].text}"
        )
    found = [_asked(loaded, rows, model) for rows in features.batches(len(dataset) or 1)]
    predicted = pd.concat(found).sort_index()
    return table.assign(**{request.options["prediction"]: predicted})


def _asked(loaded: Any, rows: DataFrame, model: str) -> Series[Any]:
    """Return the predictions of rows.

    Raises:
        BadDataError: The rows do not fit the model's signature.
        ContractError: The model gives no prediction a row.
        UserCodeError: The model raised.
    """
    import pandas as pd
    from mlflow.exceptions import MlflowException

    try:
        predicted = loaded.predict(rows)
    except MlflowException as error:
        # MLflow quotes the rows themselves before it says what is wrong.
        why = error.message.rpartition("Error: ")[2][:_SHOWN]
        raise BadDataError(f"evaluate: the rows do not fit the signature of {model}: {why}") from None
    except Exception as error:
        raise user_code_error(error, during=f"predicting with {model}") from error
    try:
        return pd.Series(predicted.iloc[:, 0].to_numpy() if _is_one_column(predicted) else predicted, index=rows.index)
    except (TypeError, ValueError) as error:
        raise ContractError(f"evaluate: {model} gives no column of predictions, one a row: {error}") from error


def _is_one_column(predicted: Any) -> bool:
    return hasattr(predicted, "iloc") and getattr(predicted, "ndim", 0) == 2 and predicted.shape[1] == 1
