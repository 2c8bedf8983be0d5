"""``airflow-ml render``: a pipeline with its environment, defaults and variables taken in."""

from __future__ import annotations

from pathlib import Path

import typer

from airflow_ml_provider.spec.loading.load import LoadedPipeline
from airflow_ml_provider.spec.loading.render import explain, render


def print_pipeline(loaded: LoadedPipeline, *, explained: bool) -> None:
    """Print the pipeline as YAML, or each of its values with the place that it comes from."""
    if not explained:
        typer.echo(render(loaded.document), nl=False)
        return
    lines = [(f"{path}: {value}", place) for path, value, place in explain(loaded.document, relative_to=Path.cwd())]
    width = min(80, max(len(text) for text, _ in lines))
    for text, place in lines:
        typer.echo(f"{text:<{width}}  # {place}")
