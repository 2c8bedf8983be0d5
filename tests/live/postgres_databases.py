"""Databases with Airflow's tables, on a Postgres as Airflow's installations have it."""

import uuid

import pytest
from sqlalchemy import create_engine, text

from tests.live.airflow_database import World, session_of


@pytest.fixture(scope="module")
def databases(postgres):
    """Make a database with Airflow's tables, a new one with each call; returns its URL."""
    place = f"postgresql+psycopg2://postgres@/{{}}?host={postgres.folder}"
    engine = create_engine(place.format("postgres"), isolation_level="AUTOCOMMIT")

    def make(template):
        name = f"home_{uuid.uuid4().hex[:8]}"
        with engine.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {template}"))
        return name, place.format(name)

    template, url = make("template1")
    with session_of(url):
        pass
    yield lambda: make(template)[1]
    engine.dispose()


@pytest.fixture
def session(databases):
    """A session of a new one."""
    with session_of(databases(), made=True) as session:
        yield session


@pytest.fixture
def world(session):
    """Writes there."""
    return World(session)
