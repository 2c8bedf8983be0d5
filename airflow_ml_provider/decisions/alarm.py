"""Whether an alarm is emitted: not again within its cooldown, so that nothing is retrained for ever."""

from __future__ import annotations

import datetime as dt
from typing import Any, NamedTuple


class Alarm(NamedTuple):
    """An alarm that was emitted.

    Attributes:
        at: When.
        dag_run: By which run.
    """

    at: dt.datetime
    dag_run: str

    def to_plain(self) -> dict[str, str]:
        """Return it as JSON values."""
        return {"at": self.at.isoformat(), "dag_run": self.dag_run}

    @classmethod
    def from_plain(cls, plain: Any) -> Alarm:
        """Read it from JSON values."""
        return cls(dt.datetime.fromisoformat(plain["at"]), str(plain["dag_run"]))


def is_told(last: Alarm | None, *, now: dt.datetime, dag_run: str, cooldown: dt.timedelta) -> bool:
    """Whether an alarm of a run is emitted; a retry of the run that emitted the last one emits it again.

    Args:
        last: The one before, ``None`` when there was none.
        now: The time.
        dag_run: The run.
        cooldown: How long after an alarm there is no other.
    """
    return last is None or last.dag_run == dag_run or now - last.at >= cooldown
