"""What a card says: the tests of tests/unit/test_pipeline_summary.py, on a Postgres."""

from tests.live.postgres_databases import databases, session, world
from tests.unit.test_pipeline_summary import *  # noqa: F403

__all__ = ["databases", "session", "world"]
