"""One pipeline file from one loader: its mistakes are an import error of Airflow's own."""

from __future__ import annotations

from pathlib import Path

from airflow.sdk import DAG

from airflow_ml_provider.dag_factory.builder import build
from airflow_ml_provider.dag_factory.environment import configured_environment
from airflow_ml_provider.spec.loading.load import load
from airflow_ml_provider.spec.loading.render import resolved_text


def load_file(pipeline: str | Path, *, environment: str | None = None) -> dict[str, DAG]:
    """Build the DAG of one file, by DAG id.

    ``load_dags`` takes a whole folder and shows a broken file as a DAG; a loader of a file's own lets Airflow list its
    mistakes under ``airflow dags list-import-errors``::

        from pathlib import Path
        from airflow_ml_provider.dag_factory import load_file
        globals().update(load_file(Path(__file__).with_name("flights.yaml")))

    Args:
        pipeline: The pipeline's file.
        environment: Whose changes to take; default is ``[ml] environment``.

    Raises:
        SpecError: The file has mistakes.
    """
    path = Path(pipeline).absolute()
    loaded = load(path, environment=configured_environment() if environment is None else environment)
    return {loaded.spec.pipeline: build(loaded.spec, base_folder=path.parent, source=resolved_text(loaded))}
