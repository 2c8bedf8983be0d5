"""A database of Airflow on SQLite, and what writes there. Imported late: most tests need nothing of Airflow."""

import shutil

import pytest


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory):
    """The file of a database with Airflow's tables."""
    from tests.live.airflow_database import session_of

    path = tmp_path_factory.mktemp("database") / "airflow.db"
    with session_of(f"sqlite:///{path}"):
        pass
    return path


@pytest.fixture
def session(empty_database, tmp_path):
    """A session of a copy of it: to make the tables takes longer than most tests."""
    from tests.live.airflow_database import session_of

    path = shutil.copy(empty_database, tmp_path / "airflow.db")
    with session_of(f"sqlite:///{path}", made=True) as session:
        yield session


@pytest.fixture
def world(session):
    """Writes there."""
    from tests.live.airflow_database import World

    return World(session)
