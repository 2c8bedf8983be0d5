"""A run: the tests of tests/unit/test_run_answers.py, on a Postgres."""

from tests.live.postgres_databases import databases, session, world
from tests.unit.test_run_answers import *  # noqa: F403

__all__ = ["databases", "session", "world"]
