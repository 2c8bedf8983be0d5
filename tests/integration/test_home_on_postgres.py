"""The cards of pipelines: the tests of tests/unit/test_home.py, on a Postgres."""

from tests.live.postgres_databases import databases, session, world
from tests.unit.test_home import *  # noqa: F403

__all__ = ["databases", "session", "world"]
