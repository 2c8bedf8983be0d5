"""``airflow-ml init``: a pipeline that runs, with real data, to begin with."""

from __future__ import annotations

import json
import re
import sys
from importlib.resources import files
from pathlib import Path

import typer

from airflow_ml_provider.cli.pipelines.files import fail
from airflow_ml_provider.spec.documents.yaml_text import to_yaml
from airflow_ml_provider.spec.kinds import stage_models
from airflow_ml_provider.spec.schema import SCHEMA_FILE, json_schema

DEFAULT_NAME = "flights"

_LOADER = """\
from airflow_ml_provider.dag_factory import load_dags

globals().update(load_dags(__file__))
"""
_ORIGIN = """\
# Where this data comes from

1,920 flights that left New York City in 2013, 160 a month, drawn at random from `flights` of nycflights13
(https://github.com/tidyverse/nycflights13), which took them from the US Bureau of Transportation Statistics. The data
is in the public domain (CC0). Delays are minutes; empty ones are flights that were cancelled or diverted.
"""


def init(folder: Path, *, name: str | None, image: str | None) -> None:
    """Write the files of a new pipeline below a folder; nothing is overwritten.

    Raises:
        typer.Exit: The name is not allowed, or files are there already.
    """
    if name is None:
        name = typer.prompt("Name of the pipeline", default=DEFAULT_NAME) if sys.stdin.isatty() else DEFAULT_NAME
    if not re.fullmatch(r"[A-Za-z0-9_\-]{1,200}", name):
        fail(f"name {name!r} is not allowed: use letters, digits, '_' and '-', 200 characters at most")
    written = {folder / path: content for path, content in _files(name, image).items()}
    there = [str(path) for path in written if path.exists()]
    if there:
        fail(f"{', '.join(there)} {'is' if len(there) == 1 else 'are'} there already; give another --name or folder")
    try:
        for path, content in {**written, **_shared(folder)}.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")
            typer.echo(f"wrote {path}")
    except OSError as error:
        fail(f"{error.filename} cannot be written: {error.strerror}")
    where = "" if folder == Path() else f" {folder}"
    typer.echo(f"\nNow: airflow-ml validate{where}, then airflow-ml run{where}")


def _files(name: str, image: str | None) -> dict[str, str]:
    scaffold = files("airflow_ml_provider.cli") / "scaffold"
    text = (scaffold / "pipeline.yaml").read_text(encoding="utf-8")
    pipeline = text.replace("__NAME__", to_yaml(name).removesuffix("\n").removesuffix("\n..."))
    if image:
        pipeline = pipeline.replace("code: ./steps\n", f"image: {image}\ncode: ./steps\n")
    return {
        f"{name}/pipeline.yaml": pipeline,
        f"{name}/steps/stages.py": (scaffold / "stages.py").read_text(encoding="utf-8"),
        f"{name}/data/flights.csv": (scaffold / "flights.csv").read_text(encoding="utf-8"),
        f"{name}/data/README.md": _ORIGIN,
    }


def _shared(folder: Path) -> dict[Path, str]:
    """Return what all pipelines of a folder share, as far as it is not there."""
    shared = {
        folder / "load_pipelines.py": _LOADER,
        folder / SCHEMA_FILE: json.dumps(json_schema(stage_models()), indent=2) + "\n",
        folder / ".gitignore": ".airflow-ml/\n",
    }
    return {path: content for path, content in shared.items() if not path.exists()}
