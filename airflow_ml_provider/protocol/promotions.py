"""When a version became champion: a tag of the version, since MLflow keeps no history of aliases."""

from __future__ import annotations

import json
from collections.abc import Mapping

PROMOTIONS_TAG = "airflow_ml.promotions"
TAG_LIMIT = 5000
"""Characters of a version's tag that MLflow takes."""
KEPT = 30
"""How many promotions of one version are kept, the last ones, so that they fit into a tag."""


def with_promotion(tags: Mapping[str, str], *, at: str, by: str) -> str:
    """Return the tag's value with one promotion more.

    Args:
        tags: The version's.
        at: When, an ISO time in UTC.
        by: Who or what did it.
    """
    return json.dumps([*promotions(tags), {"at": at, "by": by[:100]}][-KEPT:])


def promotions(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Return a version's promotions, the oldest first, each with ``at`` and ``by``; anything else counts as none."""
    try:
        # Whoever may write tags wrote it.
        found = json.loads(str(tags.get(PROMOTIONS_TAG, "[]"))[:TAG_LIMIT])
    except (ValueError, RecursionError):
        return []
    entries = found if isinstance(found, list) else []
    return [
        {"at": str(entry["at"]), "by": str(entry["by"])}
        for entry in entries
        if isinstance(entry, dict) and {"at", "by"} <= entry.keys()
    ]
