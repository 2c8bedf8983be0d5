"""Whether a schedule by the clock makes each partition's key once, also when clocks are put forward and back."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from functools import cache, lru_cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from airflow_ml_provider.errors import StageConfigurationError

if TYPE_CHECKING:
    from airflow.timetables.trigger import CronPartitionTimetable
    from pendulum import DateTime

YEARS = range(2016, 2036)
"""Whose changes of clocks are looked at: rules of time zones repeat each year."""
_MORE_TICKS = 3


@lru_cache(maxsize=64)
def require_each_key_once(*, cron: str, timezone: str, offset: int, key_format: str) -> None:
    """Raise when around a change of clocks a key would come twice, or never.

    Args:
        cron: The cron expression.
        timezone: Its time zone, and that of the keys.
        offset: How many of its times a run's partition is before or after the run.
        key_format: The key, as ``strftime`` writes it.

    Raises:
        StageConfigurationError: A key comes twice, or never; it says which, and what to write instead.
    """
    every_day, seen = cron.split()[2:5] == ["*", "*", "*"], set()
    for day, change in _changes(timezone):
        if every_day and change in seen:
            # The same clocks do the same to a cron expression of each day.
            continue
        seen.add(change)
        twice, never = _odd_keys(day, cron=cron, timezone=timezone, offset=offset, key_format=key_format)
        if not (twice or never):
            continue
        what = f"{twice} would come twice" if twice else f"{never} would never come"
        raise StageConfigurationError(
            f"schedule: around {day.isoformat()}, when clocks in {timezone} change, the partition {what}: write "
            f"timezone: UTC, a cron expression of a time of the day at which clocks do not change, or keys with "
            f"the offset (%z)"
        )


def _odd_keys(day: dt.date, *, cron: str, timezone: str, offset: int, key_format: str) -> tuple[str, str]:
    """Return a key that runs around a day have twice, and one that they lack; empty for none."""
    from airflow.timetables.trigger import CronPartitionTimetable

    timetable = CronPartitionTimetable(cron, timezone=timezone, run_offset=offset or None, key_format=key_format)
    begin, end = _noon(day, -2), _noon(day, 2)
    run = timetable._align_to_next(begin)
    if run > end:
        return "", ""
    # Beyond the days around the change one tick follows another: how many of those lie between changes nothing.
    steps = min(abs(offset), _ticks(timetable, run, end) + _MORE_TICKS)
    reach = steps + _MORE_TICKS
    for _ in range(reach):
        run = timetable._get_prev(run)
    runs = [run]
    while runs[-1] < end or len(runs) < 2 * reach:
        runs.append(timetable._get_next(runs[-1]))
    for _ in range(reach):
        runs.append(timetable._get_next(runs[-1]))
    step = cache(timetable._get_next if offset > 0 else timetable._get_prev)
    keys = []
    for each in runs:
        partition = each
        for _ in range(steps):
            partition = step(partition)
        keys.append(timetable._format_key(partition))
    counted = Counter(keys)
    twice = next((key for key in keys if counted[key] > 1), "")
    inner = runs[reach:-reach]
    never = next((key for key in map(timetable._format_key, inner) if key not in counted), "")
    return twice, never


def _ticks(timetable: CronPartitionTimetable, run: DateTime, end: DateTime) -> int:
    count = 0
    while run <= end:
        run, count = timetable._get_next(run), count + 1
    return count


def _noon(day: dt.date, days: int) -> DateTime:
    import pendulum

    moved = day + dt.timedelta(days=days)
    return pendulum.datetime(moved.year, moved.month, moved.day, 12, tz="UTC")


@lru_cache(maxsize=16)
def _changes(timezone: str) -> tuple[tuple[dt.date, tuple[object, ...]], ...]:
    """Return the days on which clocks change, each with what the change is: when, from and to which offset."""
    zone, found = ZoneInfo(timezone), []
    before = dt.datetime(YEARS.start, 1, 1, tzinfo=dt.UTC)
    while before.year < YEARS.stop:
        after = before + dt.timedelta(days=1)
        if _offset(before, zone) != _offset(after, zone):
            hour = next(
                moment
                for moment in (before + dt.timedelta(minutes=15 * number) for number in range(1, 97))
                if _offset(moment, zone) != _offset(before, zone)
            )
            change = (hour.astimezone(zone).time(), _offset(before, zone), _offset(after, zone))
            found.append((before.date(), change))
        before = after
    return tuple(found)


def _offset(moment: dt.datetime, zone: ZoneInfo) -> dt.timedelta | None:
    return moment.astimezone(zone).utcoffset()
