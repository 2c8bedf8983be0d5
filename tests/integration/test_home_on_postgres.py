"""The cards of pipelines, on a Postgres as Airflow's installations have it: the tests of tests/unit/test_home.py."""

import uuid

import pytest
from sqlalchemy import create_engine, text

from tests.unit.test_home import *  # noqa: F403
from tests.unit.test_home import session_of


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
    with session_of(databases(), made=True) as session:
        yield session
