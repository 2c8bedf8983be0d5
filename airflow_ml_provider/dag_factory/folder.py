"""All pipeline files below a folder, from one two-line loader."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from airflow.sdk import DAG, get_parsing_context
from airflow.sdk.exceptions import AirflowException

from airflow_ml_provider.dag_factory.broken import broken_dag
from airflow_ml_provider.dag_factory.builder import build
from airflow_ml_provider.dag_factory.environment import configured_environment
from airflow_ml_provider.errors import MlError
from airflow_ml_provider.spec.loading.discovery import base_of, dag_id_of, file_of, pipeline_files
from airflow_ml_provider.spec.loading.load import load
from airflow_ml_provider.spec.loading.render import resolved_text
from airflow_ml_provider.spec.problems import Problem, SpecError

log = logging.getLogger(__name__)

ID_LIMIT = 250
"""Characters of a DAG's id: airflow.sdk.definitions._internal.node.validate_key."""


def load_dags(loader: str, *, environment: str | None = None) -> dict[str, DAG]:
    """Build a DAG for every pipeline file next to the loader, by DAG id.

    Pipeline files are ``NAME.yaml`` (or ``.yml``) next to the loader and ``NAME/pipeline.yaml`` one folder
    below. A file with mistakes becomes a DAG tagged ``broken`` that shows them. A worker builds only the DAG it runs,
    and reads only its files::

        from airflow_ml_provider.dag_factory import load_dags
        globals().update(load_dags(__file__))

    Args:
        loader: The loader's ``__file__``.
        environment: Whose changes to take; default is ``[ml] environment``.
    """
    folder = Path(loader).resolve().parent
    wanted = get_parsing_context().dag_id
    taken = configured_environment() if environment is None else environment
    by_name: dict[str, list[Path]] = {}
    for path in pipeline_files(folder) if wanted is None else file_of(folder, wanted):
        by_name.setdefault(dag_id_of(path), []).append(path)
    dags = {}
    for name, paths in by_name.items():
        pipelines = [path for path in paths if base_of(path) is None]
        if pipelines or not all(_has_base(path) for path in paths):
            dags[name] = load_dag(pipelines or paths, name, environment=taken)
    return dags


def _has_base(path: Path) -> bool:
    base = base_of(path)
    return base is not None and base.is_file()


def load_dag(paths: list[Path], name: str, *, environment: str | None) -> DAG:
    """Build the DAG of a pipeline's file, or one that shows what is wrong with it.

    Args:
        paths: The files that stand for the pipeline; more than one is a mistake.
        name: The DAG's id.
        environment: Whose changes to take.
    """
    if len(paths) > 1:
        message = f"several files stand for the pipeline {name!r}: {', '.join(map(str, paths))}; rename all but one"
        return _broken(name, [Problem(str(paths[0]), 0, 0, "", message)])
    (path,) = paths
    base = base_of(path)
    if base is not None:
        message = f"a dot in the name says that the file changes {base} for an environment, and that is not there"
        return _broken(name, [Problem(str(path), 0, 0, "", message)])
    try:
        loaded = load(path, environment=environment)
        for warning in loaded.warnings:
            log.warning("%s", warning)
        dag = build(loaded.spec, base_folder=path.parent, source=resolved_text(loaded))
        dag.validate()  # type: ignore[no-untyped-call]
    except SpecError as error:
        return _broken(name, error.problems)
    except (AirflowException, MlError, ValueError, TypeError) as error:
        # Airflow's own rules (a param's schema) are known to Airflow alone.
        message = f"Airflow does not accept this pipeline: {type(error).__name__}: {error}"
        return _broken(name, [Problem(str(path), 0, 0, "", message)])
    except Exception as error:  # whatever it is, it must not reach the other pipelines
        log.exception("Pipeline file %s", path)
        message = f"a defect of airflow-ml-provider or of a kind's package, please report it: {error!r}"
        return _broken(name, [Problem(str(path), 0, 0, "", message)])
    return dag


def _broken(name: str, problems: Sequence[Problem]) -> DAG:
    log.error("Pipeline file with mistakes:\n%s", "\n".join(map(str, problems)))
    return broken_dag(name[:ID_LIMIT], problems)
