"""Which version was champion when, and which one a rollback brings back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from airflow_ml_provider.protocol.promotions import promotions


class Promotion(NamedTuple):
    """A version became champion.

    Attributes:
        at: When, an ISO time in UTC.
        version: Which.
        by: Who or what did it.
    """

    at: str
    version: str
    by: str


def history(versions: Iterable[tuple[str, Mapping[str, str]]]) -> list[Promotion]:
    """Return the promotions of a model, the oldest first.

    Args:
        versions: Each version with its tags.
    """
    return sorted(
        Promotion(entry["at"], version, entry["by"]) for version, tags in versions for entry in promotions(tags)
    )


def version_before(promoted: list[Promotion], champion: str | None) -> str | None:
    """Return the version that was champion before the one that is now, ``None`` when none was.

    Args:
        promoted: The history.
        champion: The version that has the alias now.
    """
    return next((entry.version for entry in reversed(promoted) if entry.version != champion), None)
