"""Evaluate: a model, and the champion on the same data; metrics of both, of slices, and a model card.

What the code logs to MLflow by itself goes to a run of the champion's own while that is measured.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.protocol.plain_text import one_line
from airflow_ml_provider.runtime.body import BodyContext, BodyOutcome
from airflow_ml_provider.runtime.errors import BadDataError, ContractError, UserCodeError
from airflow_ml_provider.runtime.stages.evaluate.champion import fetch_champion, logging_apart, schema_difference
from airflow_ml_provider.runtime.stages.evaluate.measuring import Measured, measure, model_input

if TYPE_CHECKING:
    from pandas import DataFrame

SLICES_LIMIT = 500
_SLICE_LENGTH = 100


@dataclass(frozen=True)
class Evaluation:
    """What a gate and a card are made of.

    Attributes:
        metrics: The model's.
        champion: The champion's on the same data, ``None`` when there is none.
        intervals: Of a metric's difference to the champion's, lowest and highest.
        slices: Metrics by slice; ``rows`` says how many rows each has.
    """

    metrics: dict[str, float]
    champion: dict[str, float] | None = None
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)
    slices: dict[str, dict[str, float]] = field(default_factory=dict)


def run(context: BodyContext) -> BodyOutcome:
    """Measure, compare, and write the card.

    Raises:
        ContractError: The inputs are not what the stage needs, or the champion cannot be measured as the model is.
        BadDataError: The data has no such column, or no rows.
        UserCodeError: The code failed.
        TrackingError: The champion could not be fetched.
    """
    from airflow_ml_provider.runtime.stages.evaluate.card import write_card

    options = context.request.options
    name = model_input(context.request)
    champion = _champion(context, name)
    mine = measure(context, name, context.inputs[name], outputs=context.outputs)
    evaluation = Evaluation(
        metrics=mine.metrics,
        champion=None if champion is None else champion.metrics,
        intervals=_intervals(mine, champion, options),
        slices=_slices(mine.table, options),
    )
    write_card(context.outputs["card"], context, evaluation, table=mine.table, model=name)
    against = {f"champion_{metric}": value for metric, value in (evaluation.champion or {}).items()}
    return BodyOutcome(metrics={**mine.metrics, **against}, values={**mine.values, "evaluation": asdict(evaluation)})


def _champion(context: BodyContext, name: str) -> Measured | None:
    known = context.request.options["champion"]
    if known is None:
        return None
    shown = f"the champion {known['name']} version {known['version']}"
    folder = fetch_champion(context, known)
    odd = schema_difference(context.inputs[name], folder)
    try:
        with logging_apart(context.request, f"champion {known['name']} version {known['version']}"):
            measured = measure(context, name, folder, outputs=None)
    except (UserCodeError, ContractError, BadDataError) as error:
        why = f"; its inputs are others: {odd}" if odd else ""
        remedy = "make the code read both, or leave gate.champion out of one run"
        raise ContractError(f"{shown} cannot be measured on this data: {error}{why}; {remedy}") from error
    print(f"{shown}: {', '.join(f'{key} {value:.6g}' for key, value in measured.metrics.items())}", flush=True)
    if odd:
        print(f"{shown} has other inputs than the model: {odd}", flush=True)
    return measured


def _intervals(mine: Measured, champion: Measured | None, options: Any) -> dict[str, tuple[float, float]]:
    if options["confidence"] is None or champion is None or mine.table is None or champion.table is None:
        return {}
    by_code = sorted(mine.by_code & set(options["compared"]))
    if by_code:
        raise ContractError(
            f"confidence: {by_code[0]!r} is what the code returned; only metrics of task: have rows to resample"
        )
    from airflow_ml_provider.runtime.stages.evaluate.bootstrap import differences

    found = differences(mine.table, champion.table, options=options)
    missing = [metric for metric in options["compared"] if metric not in found]
    if missing:
        raise ContractError(f"confidence: {missing[0]!r} is not a metric of task {options['task']!r} for these rows")
    return found


def _slices(table: DataFrame | None, options: Any) -> dict[str, dict[str, float]]:
    if table is None or not options["by"]:
        return {}
    from airflow_ml_provider.runtime.stages.task_metrics import classes_of, task_metrics

    missing = [column for column in options["by"] if column not in table.columns]
    if missing:
        known = ", ".join(map(str, table.columns))
        raise BadDataError(f"by: the predictions have no column {missing[0]!r}; they have {known}")
    found: dict[str, dict[str, float]] = {}
    classes = classes_of(table[options["target"]]) if options["task"] == "classification" else None
    for column in options["by"]:
        groups = table.groupby(column, observed=True)
        if len(found) + groups.ngroups > SLICES_LIMIT:
            raise ContractError(f"by: more than {SLICES_LIMIT} slices; name fewer columns, or put values together")
        for value, rows in groups:
            if len(rows) >= options["min_slice_rows"]:
                metrics = task_metrics(rows, options, classes=classes)
                found[_slice(column, value, found)] = {**metrics, "rows": float(len(rows))}
    return found


def _slice(column: str, value: Any, taken: Collection[str]) -> str:
    """Return the name of a slice, which messages and logs show; two values that look alike have two names."""
    name = one_line(f"{column}={value}", _SLICE_LENGTH)
    return name if name not in taken else f"{name} #{len(taken)}"
