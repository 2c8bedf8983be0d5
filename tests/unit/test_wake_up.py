"""When a pipeline is woken again."""

from airflow_ml_provider.decisions.data.new_data import Look
from airflow_ml_provider.decisions.data.wake_up import WakeUps
from airflow_ml_provider.protocol.manifest import SourceObject

NOTHING = Look((), 0, 2, 0, None, (), 5.0, {})
NEW = Look((SourceObject("s3://raw/a", "1", 1, 0.0),), 3, 0, 0, None, (), None, {})


def woken(wake_ups, seconds, *, claims=0, seen=NEW):
    return [now for now in seconds if wake_ups.is_due(claims=claims, seen=seen, now=float(now))]


def test_nothing_new_wakes_nobody():
    assert woken(WakeUps(poll=1.0), range(100), seen=NOTHING) == []


def test_nobody_answers_and_is_woken_less_and_less_often():
    assert woken(WakeUps(poll=1.0), range(200)) == [0, 10, 30, 70, 150]
    assert woken(WakeUps(poll=60.0), range(0, 4000, 60)) == [0, 60, 180, 420, 900, 1500, 2100, 2700, 3300, 3900]


def test_what_is_left_after_a_claim_wakes_at_once():
    wake_ups = WakeUps(poll=1.0)
    assert woken(wake_ups, range(5)) == [0]
    assert woken(wake_ups, range(5, 8), claims=1) == [5]
    assert woken(wake_ups, range(8, 40), claims=1) == [15, 35]
