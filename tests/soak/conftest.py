"""What takes longer than a test may: run by ``make soak``, with a seed that is printed."""

import os
import random

import pytest


@pytest.fixture(scope="session")
def seed():
    """The seed of this session; AIRFLOW_ML_SOAK_SEED repeats an earlier one."""
    return int(os.environ.get("AIRFLOW_ML_SOAK_SEED") or random.SystemRandom().randrange(1_000_000))
