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
from airflow_ml_provider.runtime.body import BodyContext, BodyOutcome
from airflow_ml_provider.runtime.code_outcome import call_function, command_outcome
from airflow_ml_provider.runtime.command import run_command
from airflow_ml_provider.runtime.errors import BadDataError, ContractError
from airflow_ml_provider.runtime.function import load_function
from airflow_ml_provider.runtime.stages.evaluate.predicting import predicted
from airflow_ml_provider.runtime.stages.task_metrics import SPACE, task_metrics

if TYPE_CHECKING:
    from pandas import DataFrame

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
        values: What a result says next to metrics: those that are not finite, params that the code took by default.
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
        table = _predictions(request, own) if request.run or request.command else predicted(request, inputs, name)
        table = _in_space(table, request, own)
    finally:
        shutil.rmtree(folder)
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


def _in_space(table: DataFrame, request: StageRequest, outputs: Mapping[str, Path]) -> DataFrame:
    """Return predictions of clusters with the coordinates that ``space`` names: columns, or an output of the code."""
    space = request.options.get("space")
    if not space:
        return table
    if isinstance(space, str):
        from airflow_ml_provider.runtime.stages.dataset.reading import read_dataset

        path = outputs.get(space)
        if path is None or not path.exists():
            raise ContractError(f"evaluate: space is the output {space!r}, which the code did not write")
        found = read_dataset(path, name=space).inferred().select_dtypes("number")
        if len(found) != len(table):
            raise BadDataError(f"{space} has {len(found):,} rows, and there are {len(table):,} predictions: one a row")
    else:
        missing = [name for name in space if name not in table.columns]
        if missing:
            known = ", ".join(map(str, table.columns))
            raise BadDataError(f"space: the predictions have no column {missing[0]!r}; they have {known}")
        found = table[list(space)]
    return table.assign(**{f"{SPACE}{number}": found[name].to_numpy() for number, name in enumerate(found.columns)})
