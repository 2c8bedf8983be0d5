"""Which objects of a source this run gets, and that it is done with them."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NoReturn

from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowRuntimeError, AirflowSkipException

from airflow_ml_provider.artifacts.claims import Claim, End, Ledger, SourceClaims
from airflow_ml_provider.artifacts.listing import objects
from airflow_ml_provider.decisions.new_data import look
from airflow_ml_provider.exceptions import ClaimReleasedError, StageConfigurationError
from airflow_ml_provider.protocol.manifest import SourceObject

if TYPE_CHECKING:
    from airflow_ml_provider.operators.identity import StageIdentity
    from airflow_ml_provider.operators.source import SourceOperator

log = logging.getLogger(__name__)

EXCLUSIVE_STORES = ("file", "memory", "s3", "s3a")
"""Schemes of stores whose exclusive create was seen to hold; claims need it."""


def manifest_of(
    operator: SourceOperator, context: Context, *, identity: StageIdentity, uri: str
) -> Sequence[SourceObject]:
    """Return what this run is given: what it was given before, or what is new now.

    Raises:
        AirflowSkipException: Nothing is new.
        ClaimReleasedError: What this run was given was given back meanwhile.
        StageConfigurationError: The store cannot create an object exactly once.
        StoreUnavailableError: The store or the source did not answer.
    """
    settle, limit = operator.settle.total_seconds(), operator.max_objects
    if not operator.exclusive:
        seen = look(objects(uri), is_handed_out=lambda found: False, now=time.time(), settle=0.0, limit=limit)
        if not seen.new:
            _skip(f"no object matches {uri}")
        log.info("%s objects of %s, %s more than max_objects allows", len(seen.new), uri, seen.more)
        return seen.new
    _require_alone(operator, context, identity)
    claims = source_claims(identity.store, pipeline=identity.pipeline, source=operator.source)
    while True:
        ledger = claims.read()
        mine = claims.of_run(ledger, identity.dag_run)
        if mine is not None:
            return _again(*mine)
        _reconcile(claims, ledger, context)
        claims.keep_snapshot(ledger)
        now = time.time()
        seen = look(objects(uri), is_handed_out=ledger.is_handed_out, now=now, settle=settle, limit=limit)
        if not seen.new:
            waiting = f"; {seen.unsettled} still settle ({operator.settle})" if seen.unsettled else ""
            _skip(f"nothing is new in {uri}{waiting}")
        claim = claims.claim(ledger, dag_run=identity.dag_run, objects=seen.new, now=now)
        if claim is not None:
            oldest = now - seen.new[0].changed
            log.info(
                "Claim %s of source %s: %s objects, the oldest written %.0f s ago; %s more wait, %s still settle",
                *(claim.number, operator.source, len(seen.new), oldest, seen.more, seen.unsettled),
            )
            return claim.objects


def commit(context: Context, *, identity: StageIdentity, sources: Iterable[str]) -> None:
    """End the claims of this run: its objects are done with.

    Raises:
        ClaimReleasedError: What this run was given was given back meanwhile; nothing is committed then.
        StoreUnavailableError: The store did not answer.
    """
    found = []
    for source in sources:
        claims = source_claims(identity.store, pipeline=identity.pipeline, source=source)
        mine = claims.of_run(claims.read(), identity.dag_run)
        if mine is not None:
            _again(*mine)
            found.append((claims, mine[0]))
    for claims, claim in found:
        end = claims.end(claim.number, outcome="committed", reason="its run succeeded", now=time.time())
        _again(claim, end)
        log.info("Claim %s of %s is committed: %s objects", claim.number, claims.uri, len(claim.objects))


def source_claims(store: str, *, pipeline: str, source: str) -> SourceClaims:
    """Return the claims of a source.

    Raises:
        StageConfigurationError: The store cannot create an object exactly once.
    """
    scheme = store.partition("://")[0]
    if scheme not in EXCLUSIVE_STORES:
        raise StageConfigurationError(
            f"sources need a store that creates an object exactly once; of {scheme}:// that is not known: use one of "
            f"{', '.join(EXCLUSIVE_STORES)}"
        )
    return SourceClaims(store, pipeline=pipeline, source=source)


def _require_alone(operator: SourceOperator, context: Context, identity: StageIdentity) -> None:
    """A run has one claim of a source.

    Raises:
        StageConfigurationError: Another task of the DAG claims of it too.
    """
    others = [
        task.task_id
        for task in context["dag"].tasks
        if task.task_id != operator.task_id
        and getattr(task, "source", None) == operator.source
        and task.task_type == operator.task_type
    ]
    if others or identity.map_index >= 0:
        who = f"task {others[0]!r}" if others else "each of its mapped instances"
        raise StageConfigurationError(
            f"source {operator.source!r} is claimed by {operator.task_id!r} and by {who}: a run has one claim of a "
            f"source, so give them sources of other names"
        )


def _skip(reason: str) -> NoReturn:
    # Airflow does not log what a skipped task was skipped for.
    log.info("This run is skipped: %s", reason)
    raise AirflowSkipException(reason)


def _again(claim: Claim, end: End | None) -> Sequence[SourceObject]:
    if end is not None and end.outcome == "released":
        raise ClaimReleasedError(
            f"claim {claim.number} of run {claim.dag_run} was released ({end.reason}): its {len(claim.objects)} "
            f"objects belong to other runs now; this run cannot go on, and need not"
        )
    return claim.objects


def _reconcile(claims: SourceClaims, ledger: Ledger, context: Context) -> None:
    """Commit the claims of runs that succeeded and could not say so.

    A run is a success for Airflow when its last tasks are, whatever failed before them; here nothing may have failed.
    """
    instance = context["ti"]
    for claim in ledger.open():
        try:
            state = instance.get_dagrun_state(instance.dag_id, claim.dag_run)
            dag, run = instance.dag_id, [claim.dag_run]
            failed = instance.get_ti_count(dag, run_ids=run, states=["failed", "upstream_failed"])
            claimed = instance.get_ti_count(dag, run_ids=run, task_ids=[instance.task_id], states=["success"])
        except AirflowRuntimeError as error:
            log.warning(
                "Claim %s belongs to run %s, which Airflow does not know (%s): airflow-ml data release gives its %s "
                "objects to another run",
                *(claim.number, claim.dag_run, error, len(claim.objects)),
            )
            continue
        if state == "success" and claimed and not failed:
            # The ledger stays as it was read: a release that came first would make a snapshot of it say what is not so.
            claims.end(claim.number, outcome="committed", reason="its run succeeded", now=time.time())
