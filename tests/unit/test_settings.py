"""The configuration section ``[ml]`` is checked where it is read."""

import pytest

from airflow_ml_provider.configuration import ml_settings
from airflow_ml_provider.errors import StageConfigurationError


@pytest.mark.parametrize(("given", "seconds"), [(None, 15.0), ("0", 0.0), ("2.5", 2.5)])
def test_a_deferrable_stage_is_followed_for_so_many_seconds(monkeypatch, given, seconds):
    if given is not None:
        monkeypatch.setenv("AIRFLOW__ML__DEFER_AFTER", given)
    assert ml_settings().defer_after == seconds


@pytest.mark.parametrize("given", ["soon", "-1", "inf", "nan", ""])
def test_what_is_no_number_of_seconds_is_refused(monkeypatch, given):
    monkeypatch.setenv("AIRFLOW__ML__DEFER_AFTER", given)
    with pytest.raises(
        StageConfigurationError, match=r"\[ml\] defer_after is .*; write a number of seconds, 0 or more"
    ):
        ml_settings()
