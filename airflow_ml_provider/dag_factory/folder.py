"""All pipeline files below a folder, from one two-line loader."""

from __future__ import annotations

import logging
import re
from pathlib import Path

from airflow.sdk import DAG, get_parsing_context
from airflow.sdk.exceptions import AirflowException

from airflow_ml_provider.dag_factory.broken import broken_dag
from airflow_ml_provider.dag_factory.build import build
from airflow_ml_provider.spec.load import PIPELINE_FILE, load_pipeline, pipeline_name
from airflow_ml_provider.spec.problems import SpecError

log = logging.getLogger(__name__)


def load_dags(loader: str) -> dict[str, DAG]:
    """Build a DAG for every pipeline file beside the loader, by DAG id.

    Pipeline files are ``NAME.yaml`` (or ``.yml``) beside the loader and ``NAME/pipeline.yaml`` one folder
    below. A file with mistakes becomes a DAG tagged ``broken`` that shows them. A worker builds only the DAG it runs::

        from airflow_ml_provider.dag_factory import load_dags
        globals().update(load_dags(__file__))

    Args:
        loader: The loader's ``__file__``.
    """
    wanted = get_parsing_context().dag_id
    by_name: dict[str, list[Path]] = {}
    for path in pipeline_files(Path(loader).resolve().parent):
        by_name.setdefault(dag_id_of(path), []).append(path)
    return {name: _load(paths, name) for name, paths in by_name.items() if wanted in (None, name)}


def pipeline_files(folder: Path) -> list[Path]:
    """Return the pipeline files of a folder, sorted."""
    return sorted((*folder.glob("*.yaml"), *folder.glob("*.yml"), *folder.glob(f"*/{PIPELINE_FILE}")))


def dag_id_of(path: Path) -> str:
    """Return the DAG id that a file stands for; characters that no DAG id may have become ``_``."""
    return re.sub(r"[^A-Za-z0-9_.\-]", "_", pipeline_name(path))


def _load(paths: list[Path], name: str) -> DAG:
    if len(paths) > 1:
        return _broken(
            name, f"several files stand for the pipeline {name!r}: {', '.join(map(str, paths))}; rename all but one"
        )
    (path,) = paths
    try:
        spec = load_pipeline(path)
        dag = build(spec, base_folder=path.parent, source=path.read_text(encoding="utf-8"))
        dag.validate()  # type: ignore[no-untyped-call]
    except SpecError as error:
        return _broken(name, str(error))
    except (AirflowException, ValueError, TypeError) as error:
        # Airflow's own rules (a schedule, a param's schema) are known to Airflow alone.
        return _broken(name, f"{path}: Airflow does not accept this pipeline: {type(error).__name__}: {error}")
    return dag


def _broken(name: str, problems: str) -> DAG:
    log.error("Pipeline file with mistakes:\n%s", problems)
    return broken_dag(name, problems)
