"""Old names of public arguments, which are taken for one minor version more."""

from __future__ import annotations

import warnings
from typing import Any


def renamed(*, owner: str, old: str, new: str, gone_in: str, old_value: Any, new_value: Any) -> Any:
    """Return the value of an argument that has another name now; both names are ``None`` where they are not given.

    Args:
        owner: The class or function, for messages.
        old: The old name.
        new: The new name.
        gone_in: The version in which the old name goes.
        old_value: What was given under the old name.
        new_value: What was given under the new name.

    Raises:
        TypeError: Both are given, or neither is.
    """
    if old_value is None and new_value is None:
        raise TypeError(f"{owner} needs the argument {new!r}")
    if old_value is None:
        return new_value
    if new_value is not None:
        raise TypeError(f"{owner} has {new!r} and {old!r}, its old name: give {new!r} alone")
    warnings.warn(
        f"{owner}: {old!r} is called {new!r} now; the old name goes in {gone_in}", DeprecationWarning, stacklevel=3
    )
    return old_value
