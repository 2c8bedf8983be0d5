"""A schedule's partitions, in ten time zones over twenty years: each key once, none left out, or it is refused."""

from collections import Counter

import pendulum
import pytest
from airflow.timetables.trigger import CronPartitionTimetable

from airflow_ml_provider.dag_factory.partition_keys import YEARS, require_each_key_once
from airflow_ml_provider.errors import StageConfigurationError

ZONES = [
    "UTC",
    "America/New_York",
    "Europe/Berlin",
    "Asia/Kolkata",
    "Australia/Lord_Howe",
    "America/Sao_Paulo",
    "America/Havana",
    "Asia/Beirut",
    "Pacific/Apia",
    "Africa/Casablanca",
]
SCHEDULES = [
    ("0 0 * * *", "%Y-%m-%d"),
    ("30 2 * * *", "%Y-%m-%d"),
    ("0 0 1 * *", "%Y-%m"),
]


def ticks(timetable):
    tick = timetable._align_to_next(pendulum.datetime(YEARS.start, 2, 1))
    while tick.year < YEARS.stop - 1:
        yield tick
        tick = timetable._get_next(tick)


@pytest.mark.parametrize("offset", [-1, 0, 1])
@pytest.mark.parametrize("zone", ZONES)
def test_each_key_comes_once_or_the_schedule_is_refused(zone, offset):
    accepted = 0
    for cron, key_format in SCHEDULES:
        try:
            require_each_key_once(cron=cron, timezone=zone, offset=offset, key_format=key_format)
        except StageConfigurationError:
            continue
        accepted += 1
        timetable = CronPartitionTimetable(cron, timezone=zone, run_offset=offset or None, key_format=key_format)
        step = timetable._get_next if offset > 0 else timetable._get_prev
        runs = list(ticks(timetable))
        keys = [timetable._format_key(run if offset == 0 else step(run)) for run in runs]
        wanted = [timetable._format_key(run) for run in runs]
        assert [key for key, count in Counter(keys).items() if count > 1] == [], (cron, zone)
        inner = wanted[1:-1]
        assert set(inner) <= set(keys), (cron, zone, sorted(set(inner) - set(keys))[:3])
    assert accepted >= 1


@pytest.mark.parametrize("offset", [-12, -1000, 1000])
@pytest.mark.parametrize(("cron", "sound"), [("0 0 * * 1-5", True), ("30 1 * * *", False), ("0 4 * * 1", True)])
def test_how_many_partitions_lie_between_changes_no_verdict(cron, sound, offset, monkeypatch):
    steps = []
    for name in ("_get_prev", "_get_next"):
        real = getattr(CronPartitionTimetable, name)
        monkeypatch.setattr(CronPartitionTimetable, name, lambda *given, real=real: (steps.append(1), real(*given))[1])
    given = {"cron": cron, "timezone": "Europe/Lisbon", "key_format": "%Y-%m-%d"}
    for near in (offset, 1 if offset > 0 else -1):
        if sound or offset > 0:
            require_each_key_once(offset=near, **given)
        else:
            with pytest.raises(StageConfigurationError):
                require_each_key_once(offset=near, **given)
    assert len(steps) < 10_000


@pytest.mark.parametrize(
    ("cron", "key_format", "says"),
    [
        (
            "0 * * * *",
            "%Y-%m-%dT%H",
            "around 2016-11-06, when clocks in America/New_York change, the partition 2016-11-06T01",
        ),
        (
            "30 2 * * *",
            "%Y-%m-%d",
            "around 2016-03-13, when clocks in America/New_York change, the partition 2016-03-13",
        ),
    ],
)
def test_what_airflow_would_do_twice_or_never_is_refused(cron, key_format, says):
    with pytest.raises(StageConfigurationError) as caught:
        require_each_key_once(cron=cron, timezone="America/New_York", offset=-1, key_format=key_format)
    assert says in str(caught.value)
    require_each_key_once(cron=cron, timezone="UTC", offset=-1, key_format=key_format)
    if "%H" in key_format:
        require_each_key_once(cron=cron, timezone="America/New_York", offset=-1, key_format=f"{key_format}%z")


def test_a_backfill_names_partitions_and_a_schedule_the_one_before():
    """One rule: a run takes the partition that its key names. A backfill's dates are those of partitions."""
    timetable = CronPartitionTimetable("0 0 1 * *", timezone="UTC", run_offset=-1, key_format="%Y-%m")
    begin, end = pendulum.datetime(2025, 2, 1), pendulum.datetime(2025, 3, 1)
    made = [info.partition_key for info in timetable.iter_partition_dagrun_infos(earliest=begin, latest=end)]
    assert made == ["2025-02", "2025-03"]
    assert timetable._get_partition_info(run_date=end)[1] == "2025-02"
