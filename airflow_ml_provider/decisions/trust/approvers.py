"""Who may answer an approval, as Airflow knows them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from airflow_ml_provider.protocol.plain_text import one_line

_LENGTH = 80


def approver(value: Any) -> dict[str, str]:
    """Return id and name of a user of Airflow.

    Args:
        value: The id that Airflow's auth manager knows the user by, or a mapping of id and name.

    Raises:
        ValueError: It is something else.
    """
    given = {"id": value} if isinstance(value, str | int) else value
    if (
        not isinstance(given, Mapping)
        or not {"id"} <= given.keys() <= {"id", "name"}
        or not all(map(_said, given.values()))
    ):
        raise ValueError(
            f"{one_line(repr(value), _LENGTH)} is not a user: write the id that Airflow knows the user by, or "
            f"{{id: 7, name: ada}}"
        )
    return {"id": str(given["id"]), "name": str(given.get("name", given["id"]))}


def require_known(approvers: list[dict[str, str]], *, auth_manager: str) -> None:
    """Require ids of an auth manager's kind.

    Airflow compares the id that its auth manager knows a user by
    (https://airflow.apache.org/docs/apache-airflow/stable/core-concepts/auth-manager/index.html). That is the name for
    the simple auth manager, and a number for FAB's, with which a name would let nobody answer.

    Args:
        approvers: Ids and names.
        auth_manager: The auth manager's class, ``[core] auth_manager``.

    Raises:
        ValueError: One of them can be no id.
    """
    if not auth_manager.endswith(".FabAuthManager"):
        return
    for found in approvers:
        if not re.fullmatch("[1-9][0-9]*", found["id"]):
            given, name = one_line(repr(found["id"]), _LENGTH), one_line(found["name"], _LENGTH)
            raise ValueError(
                f"{given} is not an id of the FAB auth manager, which knows users by number: "
                f"write {{id: 7, name: {name}}} with the id that 'airflow users list' says"
            )


def _said(value: Any) -> bool:
    return (isinstance(value, str) and bool(value)) or (isinstance(value, int) and not isinstance(value, bool))
