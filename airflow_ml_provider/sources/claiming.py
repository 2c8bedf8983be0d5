"""Which objects of a source this run gets, and that it is done with them."""

from __future__ import annotations

import datetime as dt
import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NoReturn

from airflow_ml_provider.artifacts.claims import SourceClaims
from airflow_ml_provider.artifacts.ledger import Claim, End, Ledger
from airflow_ml_provider.decisions.data.new_data import Look
from airflow_ml_provider.errors import ClaimReleasedError, LookAgainError, StageConfigurationError, StageSkippedError
from airflow_ml_provider.protocol.manifest import SourceObject
from airflow_ml_provider.protocol.plain_text import one_line
from airflow_ml_provider.sources.origins import AssetEvents, described, is_partitioned
from airflow_ml_provider.sources.watched_source import Events, WatchedSource

if TYPE_CHECKING:
    from airflow_ml_provider.attempts.identity import StageIdentity
    from airflow_ml_provider.attempts.run_context import RunContext, Runs

log = logging.getLogger(__name__)

BUSY_WAIT = dt.timedelta(seconds=30)
CLAIM_KEY = "claim"
"""The XCom that says what a run was given: how much, how old, of which partition."""


def claim(run: RunContext, source: WatchedSource, *, max_objects: int, rivals: Sequence[str]) -> None:
    """Claim for a run what is new in a source; a run that has a claim keeps it.

    Args:
        run: The task instance.
        source: The source.
        max_objects: The most that a run is given.
        rivals: Other tasks of the pipeline that claim of the same source.

    Raises:
        StageSkippedError: Nothing is new.
        LookAgainError: Another run has the partition of this one.
        ClaimReleasedError: What this run was given was given back meanwhile.
        StageConfigurationError: The store cannot create an object exactly once, or a rival claims too.
        StoreUnavailableError: The store or the source did not answer.
    """
    identity, partition = run.identity, _partition(run, source)
    _require_alone(identity, source.name, rivals)
    claims = source.claims
    while True:
        ledger = claims.read()
        mine = claims.of_run(ledger, identity.dag_run)
        if mine is not None:
            _require_held(*mine)
            _push_summary(run, source, mine[0])
            return
        running = _reconcile(claims, ledger, run.runs)
        claims.keep_snapshot(ledger, lookback=source.lookback)
        seen = source.settled_look(ledger, limit=max_objects, partition=partition, events=_events(run, source))
        if partition is not None and seen.busy and partition in running:
            # Nobody wakes this run again: Airflow made it for this partition.
            log.info("Partition %r is with run %s: looked at again in %s", partition, running[partition], BUSY_WAIT)
            raise LookAgainError(f"partition {partition!r} is with another run", at=dt.datetime.now(dt.UTC) + BUSY_WAIT)
        if not seen.new:
            _skip(_nothing_new(source, seen, partition))
        made = claims.claim(
            ledger,
            dag_run=identity.dag_run,
            objects=seen.new,
            now=time.time(),
            kind=source.kind,
            left=seen.left,
            gone=seen.gone,
        )
        if made is not None:
            _push_summary(run, source, made, seen)
            return


def claimed_objects(run: RunContext, source: WatchedSource) -> Sequence[SourceObject]:
    """Return what a run has claimed of a source.

    Raises:
        ClaimReleasedError: It was given back meanwhile, or never claimed.
        StoreUnavailableError: The store did not answer.
    """
    claims = source.claims
    mine = claims.of_run(claims.read(), run.identity.dag_run)
    if mine is None:
        raise ClaimReleasedError(f"run {run.identity.dag_run} has no claim of source {source.name!r}")
    return _require_held(*mine)


def objects_there(run: RunContext, source: WatchedSource, *, limit: int) -> Sequence[SourceObject]:
    """Return what is in a source, whichever run was given it.

    Args:
        run: The task instance.
        source: The source.
        limit: The most that are returned.

    Raises:
        StageSkippedError: There is nothing.
        StoreUnavailableError: The source did not answer.
    """
    partition = _partition(run, source)
    seen = source.settled_look(Ledger(), limit=limit, partition=partition, events=_events(run, source))
    if not seen.new:
        _skip(_nothing_new(source, seen, partition))
    log.info("%s objects of %s; %s more are not taken", len(seen.new), described(source.origin), seen.more)
    return seen.new


def commit(identity: StageIdentity, *, sources: Iterable[str]) -> None:
    """End the claims of this run: its objects are done with.

    Raises:
        ClaimReleasedError: What this run was given was given back meanwhile; nothing is committed then.
        StoreUnavailableError: The store did not answer.
    """
    found = []
    for source in sources:
        claims = SourceClaims(identity.store, pipeline=identity.pipeline, source=source)
        mine = claims.of_run(claims.read(), identity.dag_run)
        if mine is not None:
            _require_held(*mine)
            found.append((claims, mine[0]))
    for claims, claim in found:
        end = claims.end(claim.number, outcome="committed", reason="its run succeeded", now=time.time())
        _require_held(claim, end)
        log.info("Claim %s of %s is committed: %s objects", claim.number, claims.uri, len(claim.objects))


def _partition(run: RunContext, source: WatchedSource) -> str | None:
    return run.partition if is_partitioned(source.origin) else None


def _events(run: RunContext, source: WatchedSource) -> Events | None:
    if not isinstance(source.origin, AssetEvents):
        return None
    from airflow_ml_provider.sources.asset_events import events_for

    return events_for(run.events, source.origin)


def _push_summary(run: RunContext, source: WatchedSource, claim: Claim, seen: Look | None = None) -> None:
    """Say in log and XCom what a run was given."""
    times = [found.changed for found in claim.objects]
    partition = claim.objects[0].partition
    waiting = {} if seen is None else {"more": seen.more, "unsettled": seen.unsettled, "busy": seen.busy}
    summary = {
        "number": claim.number,
        **({"partition": partition} if partition else {}),
        "objects": len(claim.objects),
        "bytes": sum(found.size for found in claim.objects),
        "oldest": _format_time(min(times)),
        "newest": _format_time(max(times)),
        **{key: count for key, count in waiting.items() if count},
    }
    run.outputs.push(CLAIM_KEY, summary)
    shown = ", ".join(f"{key} {one_line(str(value))}" for key, value in summary.items())
    log.info("Claim of source %s: %s", source.name, shown)


def _format_time(changed: float) -> str | float:
    """Return a time of change for people; watermarks may be numbers that are not time."""
    try:
        return dt.datetime.fromtimestamp(changed, dt.UTC).isoformat("T", "seconds")
    except (ValueError, OverflowError, OSError):
        return changed


def _nothing_new(source: WatchedSource, seen: Look, partition: str | None) -> str:
    where = f"{described(source.origin)}{f', partition {one_line(partition)}' if partition else ''}"
    reasons = []
    if seen.unsettled:
        reasons.append(f"{seen.unsettled} still settle ({source.settling})")
    if seen.busy:
        reasons.append(f"{seen.busy} are of a partition that another run has")
    if partition and not reasons:
        reasons.append("airflow-ml data replay makes what was given before new again")
    return f"nothing is new in {where}{'; ' if reasons else ''}{', '.join(reasons)}"


def _require_alone(identity: StageIdentity, source: str, rivals: Sequence[str]) -> None:
    """A run has one claim of a source.

    Raises:
        StageConfigurationError: Another task of the DAG claims of it too.
    """
    if rivals or identity.map_index >= 0:
        who = f"task {rivals[0]!r}" if rivals else "each of its mapped instances"
        raise StageConfigurationError(
            f"source {source!r} is claimed by {identity.stage!r} and by {who}: a run has one claim of a source, so "
            f"give them sources of other names"
        )


def _skip(reason: str) -> NoReturn:
    # Airflow does not log what a skipped task was skipped for.
    log.info("This run is skipped: %s", reason)
    raise StageSkippedError(reason)


def _require_held(claim: Claim, end: End | None) -> Sequence[SourceObject]:
    if end is not None and end.outcome == "released":
        raise ClaimReleasedError(
            f"claim {claim.number} of run {claim.dag_run} was released ({end.reason}): its {len(claim.objects)} "
            f"objects belong to other runs now; this run has nothing left to process"
        )
    return claim.objects


def _reconcile(claims: SourceClaims, ledger: Ledger, runs: Runs) -> Mapping[str, str]:
    """Commit the claims of runs that succeeded and could not say so; returns the runs that go on, by partition.

    A run is a success for Airflow when its last tasks are, whatever failed before them; here nothing may have failed.
    """
    running = {}
    for claim in ledger.open():
        try:
            run = runs.seen(claim.dag_run)
        except LookupError as error:
            log.warning(
                "Claim %s belongs to run %s, which Airflow does not know (%s): airflow-ml data release gives its %s "
                "objects to another run",
                *(claim.number, claim.dag_run, error, len(claim.objects)),
            )
            continue
        if run.state in ("queued", "running"):
            running[claim.objects[0].partition] = claim.dag_run
        if run.state == "success" and run.passed and not run.failed:
            # The ledger stays as it was read: a release that came first would make a snapshot of it say what is not so.
            claims.end(claim.number, outcome="committed", reason="its run succeeded", now=time.time())
    return running
