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


@pytest.mark.parametrize(
    ("given", "isolated"), [(None, True), ("True", True), ("1", True), ("False", False), ("f", False), ("0", False)]
)
def test_stages_on_the_local_runner_are_isolated_unless_it_says_otherwise(monkeypatch, given, isolated):
    if given is not None:
        monkeypatch.setenv("AIRFLOW__ML__ISOLATE_STAGES", given)
    assert ml_settings().isolate_stages is isolated


def test_another_word_is_refused(monkeypatch):
    monkeypatch.setenv("AIRFLOW__ML__ISOLATE_STAGES", "landlock")
    with pytest.raises(
        StageConfigurationError, match=r"\[ml\] isolate_stages is 'landlock'; allowed are True and False"
    ):
        ml_settings()
