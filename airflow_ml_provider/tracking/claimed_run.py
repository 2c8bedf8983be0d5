"""One MLflow run for one key, however many stages and attempts ask for it at once.

Searching MLflow by a tag before creating races between parallel stages. The store decides instead: who
creates the claim object may create the run, and the run's id is published by a second exclusive create.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from airflow_ml_provider.artifacts.errors import AlreadyExistsError
from airflow_ml_provider.artifacts.objects import create_object, read_object

WAIT_SECONDS = 20.0
_POLL_SECONDS = 0.1


def claimed_run_id(
    uri: str,
    *,
    owner: str,
    find: Callable[[], str | None],
    create: Callable[[], str],
    discard: Callable[[str], None],
) -> str:
    """Return the id of the one run that belongs to ``uri``.

    Args:
        uri: Where claim and id lie in the store, without a suffix.
        owner: Who asks; an owner that finds its own claim was interrupted and takes over at once, any other
            waits up to 20 seconds for the claimant before it takes over.
        find: Looks in MLflow for a run that an interrupted claimant created, and returns its id.
        create: Creates the run in MLflow and returns its id.
        discard: Deletes a run that lost the race for the id.

    Raises:
        StoreUnavailableError: The store did not answer.
        MlflowError: MLflow refused or did not answer.
    """
    published = _read(f"{uri}.run")
    if published is not None:
        return published
    created = None
    try:
        create_object(f"{uri}.claim", owner.encode())
        run_id = created = create()
    except AlreadyExistsError:
        published = _await_claimant(uri, owner)
        if published is not None:
            return published
        run_id = find() or (created := create())
    try:
        create_object(f"{uri}.run", run_id.encode())
    except AlreadyExistsError:
        winner = _read(f"{uri}.run")
        assert winner is not None
        if created is not None and created != winner:
            discard(created)
        return winner
    return run_id


def published_run_id(uri: str) -> str | None:
    """Return the id that was published for ``uri``, ``None`` when there is none yet."""
    return _read(f"{uri}.run")


def _await_claimant(uri: str, owner: str) -> str | None:
    if _read(f"{uri}.claim") == owner:
        return _read(f"{uri}.run")
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        published = _read(f"{uri}.run")
        if published is not None:
            return published
        time.sleep(_POLL_SECONDS)
    return None


def _read(uri: str) -> str | None:
    try:
        return read_object(uri).decode()
    except FileNotFoundError:
        return None
