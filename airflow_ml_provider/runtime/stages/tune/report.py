"""The study as a page with Optuna's plots, and as a table."""

from __future__ import annotations

import csv
import importlib
import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.runtime.stages.tune.records import TrialRecord

if TYPE_CHECKING:
    from optuna import Study

_HEAD = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>
body {{ font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem }}
table {{ border-collapse: collapse }} td, th {{ border-bottom: 1px solid #ddd; padding:
  .25rem .75rem; text-align: left }}
</style></head><body><h1>{title}</h1>"""


def write_report(
    folder: Path, *, title: str, study: Study, records: Sequence[TrialRecord], metrics: Sequence[str], best: TrialRecord
) -> None:
    """Write ``index.html``, ``trials.csv`` and ``best.json`` into a folder.

    Args:
        folder: Is made.
        title: Of the page.
        study: With all trials.
        records: What is known of them.
        metrics: The objectives.
        best: The best trial.
    """
    folder.mkdir(parents=True)
    params = sorted({name for record in records for name in record.params})
    with (folder / "trials.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["number", "state", *metrics, *params, "seconds", "message"])
        for record in records:
            values = record.values or ("",) * len(metrics)
            found = [json.dumps(record.params[name]) if name in record.params else "" for name in params]
            table.writerow([record.number, record.state, *values, *found, f"{record.seconds:.3f}", record.message])
    best_found = {"trial": best.number, "params": dict(best.params), "metrics": dict(best.metrics)}
    (folder / "best.json").write_text(json.dumps(best_found, indent=2), encoding="utf-8")
    rows = "".join(
        f"<tr><th>{escape(name)}</th><td>{escape(json.dumps(value))}</td></tr>" for name, value in best.params.items()
    )
    shown = ", ".join(f"{name} {value:.6g}" for name, value in zip(metrics, best.values, strict=True))
    parts = [
        _HEAD.format(title=escape(title)),
        f"<p>Best of {len(records)} trials: trial {best.number}, {escape(shown)}</p><table>{rows}</table>",
        *_plots(study, metrics),
        "</body></html>",
    ]
    (folder / "index.html").write_text("\n".join(parts), encoding="utf-8")


def load_plots() -> None:
    """Import what the plots need, where it is there."""
    for name in ("plotly.io", "sklearn.ensemble", "optuna.importance", "optuna.visualization"):
        with suppress(ImportError):
            importlib.import_module(name)


def _plots(study: Study, metrics: Sequence[str]) -> list[str]:
    try:
        import plotly.io
        from optuna import visualization
    except ImportError as error:
        return [f"<p>No plots: {escape(str(error))}; add plotly to the image</p>"]
    several = len(metrics) > 1
    drawn: list[str] = []
    for index, metric in enumerate(metrics):
        # With several objectives Optuna needs to know which one.
        aim: dict[str, Any] = {"target_name": metric} | ({"target": _value(index)} if several else {})
        for name, plot in (
            ("History", visualization.plot_optimization_history),
            ("Importance of the params", visualization.plot_param_importances),
            ("Parallel coordinates", visualization.plot_parallel_coordinate),
        ):
            heading = f"<h2>{name}{f' ({escape(metric)})' if several else ''}</h2>"
            try:
                figure = plot(study, **aim)
            except (ValueError, RuntimeError, ImportError, ZeroDivisionError) as error:
                drawn.append(f"{heading}<p>Not drawn: {escape(str(error))}</p>")
                continue
            # The page works without a network: the library is in it, once.
            library = not any("<script" in part for part in drawn)
            drawn.append(heading + plotly.io.to_html(figure, full_html=False, include_plotlyjs=library))
    return drawn


def _value(index: int) -> Callable[[Any], float]:
    return lambda trial: float(trial.values[index])
