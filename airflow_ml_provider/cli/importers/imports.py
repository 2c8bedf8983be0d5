"""``airflow-ml import``: pipelines of other tools, as far as they go."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer
import yaml

from airflow_ml_provider.cli.importers.import_dag_factory import from_dag_factory
from airflow_ml_provider.cli.importers.import_kubeflow import from_kubeflow, is_kubeflow
from airflow_ml_provider.cli.importers.imported import Imported
from airflow_ml_provider.cli.pipelines.files import fail
from airflow_ml_provider.spec.documents.yaml_source import FILE_LIMIT_BYTES
from airflow_ml_provider.spec.documents.yaml_text import to_yaml
from airflow_ml_provider.spec.problems import SpecError


def import_file(file: Path, folder: Path) -> None:
    """Write the pipelines of a file below a folder, ``NAME/pipeline.yaml`` each, and say what was left out.

    Raises:
        typer.Exit: The file is neither a dag-factory YAML nor a Kubeflow pipeline, or a pipeline is there already.
    """
    documents = _read(file)
    try:
        found = [from_kubeflow(documents[0])] if is_kubeflow(documents[0]) else from_dag_factory(documents[0])
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        fail(f"{file} is neither a dag-factory YAML nor a Kubeflow pipeline that can be read: {error!r}")
    if not found:
        fail(f"{file} is neither a dag-factory YAML (DAGs with tasks) nor a compiled Kubeflow pipeline (pipelineInfo)")
    written = {folder / pipeline.name / "pipeline.yaml": pipeline for pipeline in found}
    if there := [str(path) for path in written if path.exists()]:
        fail(f"{', '.join(there)} is there already; give another --folder")
    try:
        for path, pipeline in written.items():
            _write(path, pipeline)
    except OSError as error:
        fail(f"{error.filename} cannot be written: {error.strerror}")


def _read(file: Path) -> list[dict[str, Any]]:
    # The files of other tools follow the rules of YAML 1.1, not the stricter ones of our own.
    try:
        if file.stat().st_size > FILE_LIMIT_BYTES:
            fail(f"{file} has over {FILE_LIMIT_BYTES:,} bytes")
        documents = list(yaml.safe_load_all(file.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        fail(f"{file} cannot be read: {error}")
    if not documents or not isinstance(documents[0], dict):
        fail(f"{file} is not a mapping")
    return documents


def _write(path: Path, pipeline: Imported) -> None:
    from airflow_ml_provider.spec.loading.load import load

    path.parent.mkdir(parents=True, exist_ok=True)
    for name, content in pipeline.files.items():
        target = path.parent / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content, encoding="utf-8")
    path.write_text(to_yaml(pipeline.value), encoding="utf-8")
    typer.echo(f"wrote {path}")
    for line in pipeline.left_out:
        typer.echo(f"  left out: {line}", err=True)
    try:
        load(path)
    except SpecError as error:
        typer.echo(f"  to be fixed by hand:\n{error}", err=True)
