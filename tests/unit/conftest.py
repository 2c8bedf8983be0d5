"""A database of Airflow on SQLite, and what writes there."""

import pytest

from tests.live.airflow_database import World, session_of


@pytest.fixture
def session(tmp_path):
    with session_of(f"sqlite:///{tmp_path}/airflow.db") as session:
        yield session


@pytest.fixture
def world(session):
    return World(session)
