"""Which run was given which objects of a source: numbered claims, each created exactly once.

``<store>/_sources/<pipeline>/<source>/log/0000000001.claim.json`` says what a run was given, and ``.end.json`` of the
same number how that ended: committed, or released. Both are created with a condition that the store checks
(``If-None-Match: *``, ``O_EXCL``), so of two runs that claim at once one sees the other's claim, and a claim is either
committed or released. What a claim holds is what no claim before it held, hence the order of the numbers is the truth.

Once all claims up to a number have ended, a snapshot keeps what of them was committed, 24 bytes a version: a reader
then needs the newest snapshot and the claims after it.
"""

from __future__ import annotations

import re
from typing import TypeVar

from airflow_ml_provider.artifacts.errors import (
    AlreadyExistsError,
    ArtifactCorruptError,
    ClaimInUseError,
    InvalidArtifactError,
)
from airflow_ml_provider.artifacts.layout import join, store_segment
from airflow_ml_provider.artifacts.ledger import Claim, End, Ledger, Outcome
from airflow_ml_provider.artifacts.objects import create_object, read_object, write_object
from airflow_ml_provider.artifacts.source_files import names_after
from airflow_ml_provider.protocol.codec import from_json, to_json
from airflow_ml_provider.protocol.errors import ProtocolError
from airflow_ml_provider.protocol.manifest import SourceObject

SOURCES = "_sources"
SNAPSHOT_EVERY = 50
_LOG = "log"
_NUMBER = re.compile("[0-9]{10}")
_PARTS = _CLAIM, _END, _SNAPSHOT = "claim.json", "end.json", "snapshot.bin"
_LISTINGS = 5
_LIMIT_BYTES = 64 * 1024 * 1024
_SNAPSHOT_LIMIT_BYTES = 1024 * 1024 * 1024

T = TypeVar("T")


class SourceClaims:
    """The claims of one source of one pipeline.

    Args:
        store: URI of the artifact store.
        pipeline: The pipeline's (DAG's) id.
        source: The source's name.
    """

    def __init__(self, store: str, *, pipeline: str, source: str) -> None:
        self.uri = join(store, SOURCES, store_segment(pipeline), store_segment(source))

    def read(self, known: Ledger | None = None) -> Ledger:
        """Return all claims.

        Args:
            known: What was read before; nothing that is in it is read again.

        Raises:
            ArtifactCorruptError: A claim cannot be read.
            StoreUnavailableError: The store did not answer.
        """
        snapshot, numbers, ended = self._listed(known.snapshot if known else 0)
        if known and snapshot == known.snapshot and set(numbers) == known.claims.keys() and ended == known.ends.keys():
            return known
        ledger = self._snapshot(snapshot)
        for number in numbers:
            claim = known.claims.get(number) if known else None
            end = known.ends.get(number) if known else None
            if end is None and number in ended:
                end = self._end(number)
            self._take(ledger, claim or self._claim(number), end)
        return ledger

    def claim(
        self,
        ledger: Ledger,
        *,
        dag_run: str,
        objects: tuple[SourceObject, ...],
        now: float,
        kind: str = "",
        left: float | None = None,
        gone: tuple[SourceObject, ...] = (),
    ) -> Claim | None:
        """Give objects to a run; ``None`` when another claim came in between: read again, and look again.

        Args:
            ledger: What was known when the objects were chosen.
            dag_run: The run.
            objects: What it is given.
            now: In seconds since the epoch.
            kind: What the source is of.
            left: The earliest time of change of what is new and not among the objects.
            gone: What was given back before and is not there any more.

        Raises:
            StoreUnavailableError: The store did not answer.
        """
        claim = Claim(ledger.last + 1, dag_run, now, objects, kind=kind, left=left, gone=gone)
        if not self._created(claim):
            return None
        # Found again without a look at all claims; a run that died before this is found among those after the snapshot.
        write_object(self._run_uri(dag_run), str(claim.number).encode())
        return claim

    def replay(
        self, ledger: Ledger, claims: tuple[int, ...], *, partition: str | None = None, reason: str, now: float
    ) -> int | None:
        """Make the objects of committed claims new again; what those claims were stays as it is.

        Args:
            ledger: What was known when the claims were chosen.
            claims: Their numbers.
            partition: Only what they hold of this one; ``None`` for all.
            reason: Who says so, for people.
            now: In seconds since the epoch.

        Returns:
            How many objects are new again; ``None`` when another claim came in between: read again.

        Raises:
            ClaimInUseError: A run has some of them, or a claim is not committed.
            StoreUnavailableError: The store did not answer.
        """
        for number in claims:
            if not self.is_committed(ledger, number):
                raise ClaimInUseError(
                    f"claim {number} is open, or was released: only what was committed is new again after a replay"
                )
        note = Claim(ledger.last + 1, "", now, (), replays=claims, partition=partition, reason=reason)
        objects = self._replayed(ledger, note)
        held = {(found.uri, found.version) for claim in ledger.open() for found in claim.objects}
        if used := [found.uri for found in objects if (found.uri, found.version) in held]:
            raise ClaimInUseError(
                f"{len(used)} of the objects belong to a run that has not ended, {used[0]} first: end or release its "
                f"claim before they are replayed"
            )
        return len(objects) if self._created(note) else None

    def is_committed(self, ledger: Ledger, number: int) -> bool:
        """Whether the objects of a claim are done with.

        Raises:
            ArtifactCorruptError: There is no such claim.
            StoreUnavailableError: The store did not answer.
        """
        claim = ledger.claims.get(number) or self._claim(number)
        if not claim.dag_run:
            return True
        if number > ledger.snapshot:
            end = ledger.ends.get(number)
            return end is not None and end.outcome == "committed"
        return self._end(number).outcome == "committed"

    def all(self, ledger: Ledger) -> list[Claim]:
        """Return all claims, those before the snapshot too, the first one first.

        Raises:
            StoreUnavailableError: The store did not answer.
        """
        return [ledger.claims.get(number) or self._claim(number) for number in range(1, ledger.last + 1)]

    def reset(
        self, ledger: Ledger, *, given: tuple[SourceObject, ...] = (), kind: str = "", reason: str, now: float
    ) -> Claim | None:
        """Make everything new again; ``None`` when another claim came in between: read again.

        Args:
            ledger: What was known.
            given: What is not to be new: it counts as given, and no run gets it.
            kind: What the source is of.
            reason: Who says so, for people.
            now: In seconds since the epoch.

        Raises:
            ClaimInUseError: A run has a claim that has not ended.
            StoreUnavailableError: The store did not answer.
        """
        if held := ledger.open():
            raise ClaimInUseError(
                f"claim {held[0].number} of run {held[0].dag_run} has not ended: let its run succeed, or release it, "
                f"before its source is reset"
            )
        note = Claim(ledger.last + 1, "", now, given, kind=kind, resets=True, reason=reason)
        return note if self._created(note) else None

    def pass_over(self) -> None:
        """Count all that there is as read, where it cannot be read: nothing was given to anybody then.

        Raises:
            StoreUnavailableError: The store did not answer.
        """
        stems = [name.partition(".")[0] for name in names_after(join(self.uri, _LOG), "")]
        last = max((int(stem) for stem in stems if _NUMBER.fullmatch(stem)), default=0)
        # Of a number that no claim has: a snapshot of the last one may be what cannot be read.
        create_object(self._part(_SNAPSHOT, last + 1), Ledger().as_snapshot(lookback=None))

    def of_run(self, ledger: Ledger, dag_run: str) -> tuple[Claim, End | None] | None:
        """Return the claim of a run and how it ended, ``None`` when it has none.

        Raises:
            ArtifactCorruptError: It cannot be read.
            StoreUnavailableError: The store did not answer.
        """
        note = self._run_uri(dag_run)
        for claim in ledger.claims.values():
            if claim.dag_run == dag_run:
                # Its task may have died before it wrote the note.
                write_object(note, str(claim.number).encode())
                return claim, ledger.ends.get(claim.number)
        try:
            number = int(read_object(note))
        except FileNotFoundError:
            return None
        return self._claim(number), self._end(number)

    def end(self, number: int, *, outcome: Outcome, reason: str, now: float) -> End:
        """End a claim; returns how it ended, which is another's word when that came first.

        Raises:
            StoreUnavailableError: The store did not answer.
        """
        end = End(outcome=outcome, reason=reason, ended_at=now)
        try:
            create_object(self._part(_END, number), to_json(end, limit=_LIMIT_BYTES).encode())
        except AlreadyExistsError:
            return self._end(number)
        return end

    def keep_snapshot(self, ledger: Ledger, *, lookback: float | None = None) -> None:
        """Keep a snapshot when enough claims ended since the last one; another's of the same claims is as good.

        Args:
            ledger: As it was read.
            lookback: See :meth:`Ledger.as_snapshot`.

        Raises:
            StoreUnavailableError: The store did not answer.
        """
        last = ledger.ended_up_to()
        if last - ledger.snapshot < SNAPSHOT_EVERY:
            return
        kept = self._snapshot(ledger.snapshot)
        for number in range(ledger.snapshot + 1, last + 1):
            self._take(kept, ledger.claims[number], ledger.ends.get(number))
        try:
            create_object(self._part(_SNAPSHOT, last), kept.as_snapshot(lookback=lookback))
        except AlreadyExistsError:
            return

    def _listed(self, start: int) -> tuple[int, list[int], set[int]]:
        """Return the latest snapshot, and the claims and ends after it.

        Raises:
            ArtifactCorruptError: A claim is missing.
        """
        for _ in range(_LISTINGS):
            found: dict[str, set[int]] = {part: set() for part in _PARTS}
            for name in names_after(join(self.uri, _LOG), f"{start:010d}"):
                stem, _, part = name.partition(".")
                if part in found and _NUMBER.fullmatch(stem):
                    found[part].add(int(stem))
            snapshot = max(found[_SNAPSHOT], default=start)
            numbers = sorted(number for number in found[_CLAIM] if number > snapshot)
            # While claims are made, a listing may show a later one and not the one before it.
            if numbers == list(range(snapshot + 1, snapshot + 1 + len(numbers))):
                # An end sorts after its claim and was created after it: one that is seen has its claim.
                return snapshot, numbers, {number for number in found[_END] if number > snapshot}
        missing = next(number for number, found_one in enumerate([*numbers, 0], snapshot + 1) if number != found_one)
        raise ArtifactCorruptError(f"{self._part(_CLAIM, missing)} was removed: what it held is not known any more")

    def _created(self, claim: Claim) -> bool:
        try:
            create_object(self._part(_CLAIM, claim.number), to_json(claim, limit=_LIMIT_BYTES).encode())
        except AlreadyExistsError:
            return False
        return True

    def _take(self, ledger: Ledger, claim: Claim, end: End | None) -> None:
        ledger.take(claim, end, replayed=self._replayed(ledger, claim))

    def _replayed(self, ledger: Ledger, note: Claim) -> list[SourceObject]:
        found = (ledger.claims[number] if number in ledger.claims else self._claim(number) for number in note.replays)
        return [entry for claim in found for entry in claim.objects if note.partition in (None, entry.partition)]

    def _snapshot(self, number: int) -> Ledger:
        if not number:
            return Ledger()
        uri = self._part(_SNAPSHOT, number)
        try:
            return Ledger.of_snapshot(number, read_object(uri, limit=_SNAPSHOT_LIMIT_BYTES))
        except FileNotFoundError as error:
            raise ArtifactCorruptError(f"{uri} was removed: {error}") from error

    def _claim(self, number: int) -> Claim:
        return _read(Claim, self._part(_CLAIM, number))

    def _end(self, number: int) -> End:
        return _read(End, self._part(_END, number))

    def _run_uri(self, dag_run: str) -> str:
        return join(self.uri, "runs", store_segment(dag_run))

    def _part(self, part: str, number: int) -> str:
        return join(self.uri, _LOG, f"{number:010d}.{part}")


def _read(cls: type[T], uri: str) -> T:
    try:
        return from_json(cls, read_object(uri, limit=_LIMIT_BYTES), limit=_LIMIT_BYTES)
    except (FileNotFoundError, InvalidArtifactError, ProtocolError) as error:
        raise ArtifactCorruptError(f"{uri} cannot be read: {error}") from error
