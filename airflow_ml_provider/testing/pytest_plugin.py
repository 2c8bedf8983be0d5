"""Fixtures for the tests of pipelines; pytest finds them by itself. Nothing heavy is imported before one is used."""

from __future__ import annotations

import functools
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from airflow.sdk import DAG

    from airflow_ml_provider.testing.pipelines import PipelineRun


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--update-dag-snapshots``."""
    group = parser.getgroup("airflow-ml")
    group.addoption("--update-dag-snapshots", action="store_true", help="write the snapshots of DAGs anew")


@pytest.fixture(scope="session")
def pipeline_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that all runs of a session share: Airflow's database is made once."""
    return tmp_path_factory.mktemp("airflow-ml")


@pytest.fixture
def run_pipeline(pipeline_home: Path) -> Callable[..., PipelineRun]:
    """Run a pipeline: ``run_pipeline("dags/flights/pipeline.yaml", {"params": {"day": 3}})``."""
    from airflow_ml_provider.testing.pipelines import run_pipeline as run

    return functools.partial(run, home=pipeline_home)


@pytest.fixture
def require_dag_snapshot(request: pytest.FixtureRequest) -> Callable[[DAG], None]:
    """Compare a DAG with ``dag_snapshots/DAG_ID.json`` next to the test; ``--update-dag-snapshots`` writes it anew."""
    from airflow_ml_provider.testing.dag_snapshot import require_snapshot

    folder = request.path.parent / "dag_snapshots"

    def compare(dag: DAG) -> None:
        update: Any = request.config.getoption("--update-dag-snapshots")
        require_snapshot(dag, folder / f"{dag.dag_id}.json", update=bool(update))

    return compare


@pytest.fixture
def memory_store() -> Iterator[str]:
    """URI of an artifact store in this process's memory, empty at first, removed at the end."""
    import fsspec

    uri = f"memory://{uuid.uuid4().hex}/store"
    yield uri
    fs = fsspec.filesystem("memory")
    folder = uri.removeprefix("memory:/").rpartition("/")[0]
    if fs.exists(folder):
        fs.rm(folder, recursive=True)
