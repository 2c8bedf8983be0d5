import pytest

from airflow_ml_provider.artifacts.errors import StoreAwayError, StoreUnavailableError
from airflow_ml_provider.runtime import patience
from airflow_ml_provider.runtime.patience import patiently
from airflow_ml_provider.testing.clock import FakeClock


@pytest.fixture
def pauses(monkeypatch):
    """What was slept, on a clock that stands still otherwise."""
    clock = FakeClock()
    monkeypatch.setattr(patience, "time", clock)
    return clock.slept


def test_a_call_is_tried_again_until_the_store_answers(pauses, capsys):
    answers = [StoreAwayError("no network"), StoreAwayError("no network"), "done"]

    def call():
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert patiently(call, what="Committing output 'model'") == "done"
    assert pauses == [1, 2]
    assert "Committing output 'model' is tried again for 300 s: no network" in capsys.readouterr().out


def test_patience_ends(pauses):
    def call():
        raise StoreAwayError("no network")

    with pytest.raises(StoreAwayError):
        patiently(call, what="x", seconds=60)
    assert 40 < sum(pauses) <= 60
    assert max(pauses) == 15


def test_what_the_store_refuses_is_not_tried_again(pauses):
    def call():
        raise StoreUnavailableError("AccessDenied")

    with pytest.raises(StoreUnavailableError):
        patiently(call, what="x")
    assert pauses == []
