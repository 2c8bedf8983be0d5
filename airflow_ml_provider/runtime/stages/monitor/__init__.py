"""Monitor: what came in lately next to what the model was trained on."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.runtime.body import BodyContext, BodyOutcome
from airflow_ml_provider.runtime.errors import BadDataError, ContractError
from airflow_ml_provider.runtime.stages.dataset.alignment import like, standard
from airflow_ml_provider.runtime.stages.dataset.reading import read_dataset
from airflow_ml_provider.runtime.stages.monitor.drift import Drift, compare
from airflow_ml_provider.runtime.stages.monitor.quality import quality
from airflow_ml_provider.runtime.stages.monitor.with_evidently import compare_with_evidently, evidently_takes
from airflow_ml_provider.runtime.stages.tables import Table, write_tables

if TYPE_CHECKING:
    from pandas import DataFrame

REFERENCE, CURRENT = "reference", "current"
MARKDOWN, FOUND, EVIDENTLY_PAGE = "drift.md", "drift.json", "evidently.html"


def run(context: BodyContext) -> BodyOutcome:
    """Compare, measure, and write the report.

    Raises:
        BadDataError: A file cannot be read, or the two have no column in common.
        ContractError: Evidently is asked for and not there.
    """
    options = context.request.options
    reference = standard(read_dataset(context.inputs[REFERENCE], name=REFERENCE))
    current = like(read_dataset(context.inputs[CURRENT], name=CURRENT), reference)
    columns = _columns(reference, current, options)
    found = _drift(context, reference[columns], current[columns])
    drifted = [one.column for one in found if one.drifted]
    metrics = {
        "rows": float(len(current)),
        "drifted_columns": float(len(drifted)),
        "drifted_share": len(drifted) / len(found),
        **quality(reference, current, columns, ignored=_ignored(options)),
        **_performance(current, columns, options),
    }
    values: dict[str, Any] = {"drifted": drifted, "scores": {one.column: one.score for one in found}}
    _write(context, found, metrics, values)
    shown = ", ".join(f"{one.column} ({one.test} {one.score:.3g})" for one in found if one.drifted) or "none"
    print(f"{len(drifted)} of {len(found)} columns drifted: {shown}", flush=True)
    return BodyOutcome(metrics=metrics, values={"drift": values})


def _ignored(options: Any) -> set[str]:
    return {*options["ignore"], options["target"], options["prediction"]}


def _columns(reference: DataFrame, current: DataFrame, options: Any) -> list[str]:
    if options["columns"]:
        missing = [
            f"{name} has no column {column!r}"
            for name, table in ((REFERENCE, reference), (CURRENT, current))
            for column in options["columns"]
            if column not in table.columns
        ]
        if missing:
            raise BadDataError(f"columns: {missing[0]}")
        return list(dict.fromkeys(options["columns"]))
    left_out = {*options["ignore"], options["target"]}
    shared = [column for column in reference.columns if column in current.columns and column not in left_out]
    if not shared:
        raise BadDataError(
            f"{REFERENCE} and {CURRENT} have no column in common: {', '.join(map(str, reference.columns))}; and "
            f"{', '.join(map(str, current.columns))}"
        )
    return shared


def _drift(context: BodyContext, reference: DataFrame, current: DataFrame) -> list[Drift]:
    engine = context.request.options["engine"]
    if engine == "light":
        return compare(reference, current)
    taken = [name for name in reference.columns if evidently_takes(reference[name], current[name])]
    rest = [name for name in reference.columns if name not in taken]
    if not taken:
        return compare(reference, current)
    try:
        page = context.outputs["report"].parent / EVIDENTLY_PAGE
        found = compare_with_evidently(reference[taken], current[taken], page=page)
        return [*found, *compare(reference[rest], current[rest])]
    except ImportError as error:
        if engine == "evidently":
            raise ContractError(
                f"monitor: this Python has no Evidently ({error}); add evidently to the stage's image, or say engine: "
                f"light"
            ) from error
        print(f"Without Evidently ({error}): the built-in tests are used", flush=True)
        return compare(reference, current)


def _performance(current: DataFrame, columns: list[str], options: Any) -> dict[str, float]:
    """Return the metrics of those rows whose outcome is known by now."""
    if options["task"] is None:
        return {}
    target, prediction = options["target"], options["prediction"]
    if target not in current.columns or prediction not in current.columns:
        return {"labelled_rows": 0.0}
    known = current[current[target].notna() & current[prediction].notna()]
    if known.empty:
        return {"labelled_rows": 0.0}
    from airflow_ml_provider.runtime.stages.task_metrics import task_metrics

    if options["task"] == "clustering":
        # What is not compared is not a coordinate either.
        known = known[list(dict.fromkeys([*columns, target, prediction]))]
    return {"labelled_rows": float(len(known)), **task_metrics(known, options)}


def _write(context: BodyContext, found: list[Drift], metrics: dict[str, float], values: dict[str, Any]) -> None:
    request, folder = context.request, context.outputs["report"]
    ordered = sorted(found, key=lambda one: (not one.drifted, -one.score))
    tables: list[Table] = [
        ("Metrics", ["metric", "value"], [[name, f"{value:.6g}"] for name, value in metrics.items()]),
        (
            "Columns",
            ["column", "kind", "test", "score", "limit", "drifted"],
            [
                [one.column, one.kind, one.test, f"{one.score:.4g}", f"{one.limit:.4g}", "yes" if one.drifted else ""]
                for one in ordered
            ],
        ),
    ]
    intro = f"Run {request.dag_run}, stage {request.stage}: {int(metrics['rows'])} rows next to the reference."
    title = f"{request.pipeline}: {request.stage}"
    write_tables(folder, markdown=MARKDOWN, title=title, intro=intro, tables=tables, plot=None)
    page = folder.parent / EVIDENTLY_PAGE
    if page.is_file():
        page.rename(folder / page.name)
    (folder / FOUND).write_text(json.dumps({**values, "metrics": metrics}, indent=2), encoding="utf-8")
