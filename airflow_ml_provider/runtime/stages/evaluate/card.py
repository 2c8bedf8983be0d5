"""The model card (Mitchell et al., 2019, https://arxiv.org/abs/1810.03993), as Markdown and as a page."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.runtime.body import BodyContext
from airflow_ml_provider.runtime.stages.tables import Table, write_tables
from airflow_ml_provider.runtime.stages.task_metrics import PROBABILITY, classes_of

if TYPE_CHECKING:
    from pandas import DataFrame

    from airflow_ml_provider.runtime.stages.evaluate import Evaluation

MARKDOWN, PLOT = "card.md", "plot.svg"


def write_card(
    folder: Path, context: BodyContext, evaluation: Evaluation, *, table: DataFrame | None, model: str
) -> None:
    """Write ``card.md``, ``index.html`` and, where there are predictions, ``plot.svg`` into a folder.

    Args:
        folder: Is made.
        context: The stage.
        evaluation: What was measured.
        table: The predictions.
        model: The input that is the model.
    """
    request = context.request
    drawn = None if table is None else _plot(table, request.options)
    write_tables(
        folder,
        markdown=MARKDOWN,
        title=f"{request.pipeline}: {model}",
        intro=f"Run {request.dag_run}, measured by stage {request.stage}.",
        tables=list(_tables(context, evaluation, model)),
        plot=None if drawn is None else ("Predictions", PLOT, drawn),
    )


def _tables(context: BodyContext, evaluation: Evaluation, model: str) -> Iterator[Table]:
    options, champion = context.request.options, evaluation.champion
    known = options["champion"]
    head = ["metric", "model"]
    if champion is not None:
        head.append(f"champion, version {known['version']}")
    names = [*evaluation.metrics, *(name for name in champion or () if name not in evaluation.metrics)]
    rows = [
        [name, _number(evaluation.metrics, name), *([_number(champion, name)] if champion is not None else [])]
        for name in names
    ]
    yield "Metrics", head, rows
    if evaluation.intervals:
        heading = f"Difference to the champion, each end with {options['confidence']:.0%} confidence"
        yield (
            heading,
            ["metric", "from", "to"],
            [[name, f"{low:.4g}", f"{high:.4g}"] for name, (low, high) in evaluation.intervals.items()],
        )
    if evaluation.slices:
        columns = list(next(iter(evaluation.slices.values())))
        ordered = sorted(evaluation.slices.items(), key=lambda item: item[1].get(columns[0], 0.0))
        told_slices = [[name, *(_number(found, each) for each in columns)] for name, found in ordered]
        yield "Slices", ["slice", *columns], told_slices
    params = _params(context, model)
    if params:
        yield "Params", ["param", "value"], [[name, value] for name, value in sorted(params.items())]
    inputs = context.request.inputs
    yield (
        "Lineage",
        ["input", "artifact", "digest", "bytes"],
        [[name, ref.uri, ref.digest, f"{ref.size:,}"] for name, ref in inputs.items()],
    )


def _params(context: BodyContext, model: str) -> Mapping[str, str]:
    """Return the params of the stage that made the model, as MLflow knows them."""
    tracking, digest = context.request.tracking, context.request.inputs[model].digest
    if tracking is None:
        return {}
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    wanted = f"tags.`airflow_ml.dag_run` = '{context.request.dag_run}' and tags.`airflow_ml.role` = 'stage'"
    try:
        runs = MlflowClient(tracking_uri=tracking.uri).search_runs([tracking.experiment_id], wanted, max_results=200)
    except MlflowException as error:
        print(f"The params of the model are not in its card: {error.message}", flush=True)
        return {}
    for run in runs:
        if any(key.startswith("airflow_ml.digest.") and value == digest for key, value in run.data.tags.items()):
            return dict(run.data.params)
    return {}


def _plot(table: DataFrame, options: Mapping[str, Any]) -> str | None:
    if options["task"] not in ("regression", "classification"):
        return None
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    target, prediction = table[options["target"]], table[options["prediction"]]
    classes = classes_of(target) if options["task"] == "classification" else []
    by_probability = PROBABILITY in table.columns and len(classes) == 2
    figure = Figure(figsize=(15, 4.5) if by_probability else (6, 4.5), layout="tight")
    FigureCanvasSVG(figure)
    axes, *more = figure.subplots(1, 3 if by_probability else 1, squeeze=False)[0]
    if options["task"] == "regression":
        axes.hexbin(target, prediction, gridsize=40, mincnt=1, cmap="Blues")
        axes.axline((float(target.mean()), float(target.mean())), slope=1, color="grey", linewidth=0.8)
    else:
        import pandas as pd

        counts = pd.crosstab(target, prediction)
        axes.imshow(counts, cmap="Blues")
        axes.set_xticks(range(counts.shape[1]), list(map(str, counts.columns)))
        axes.set_yticks(range(counts.shape[0]), list(map(str, counts.index)))
    axes.set_xlabel("actual" if options["task"] == "regression" else "predicted")
    axes.set_ylabel("predicted" if options["task"] == "regression" else "actual")
    if by_probability:
        _draw_probabilities(more, target == classes[1], table[PROBABILITY])
    drawn = io.StringIO()
    figure.savefig(drawn, format="svg", metadata={"Date": None})
    return drawn.getvalue()


def _draw_probabilities(axes: Sequence[Any], positive: Any, probability: Any) -> None:
    """Draw the ROC and the calibration of the probability of the second class."""
    from sklearn.calibration import calibration_curve
    from sklearn.metrics import roc_curve

    roc, calibration = axes
    false, true, _ = roc_curve(positive, probability)
    roc.plot(false, true)
    roc.set_xlabel("false positive rate")
    roc.set_ylabel("true positive rate")
    share, said = calibration_curve(positive, probability.clip(0, 1), n_bins=10)
    calibration.plot(said, share, marker="o")
    calibration.set_xlabel("predicted probability")
    calibration.set_ylabel("share of the second class")
    for each in axes:
        each.plot([0, 1], [0, 1], color="grey", linewidth=0.8)


def _number(metrics: Mapping[str, float], name: str) -> str:
    return f"{metrics[name]:.6g}" if name in metrics else ""
