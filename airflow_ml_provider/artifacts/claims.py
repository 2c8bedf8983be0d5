"""Which run was given which objects of a source: numbered claims, each created exactly once.

``<store>/_sources/<pipeline>/<source>/claims/0000000001.json`` says what a run was given, and an object of the same
number under ``ends`` how that ended: committed, or released. Both are created with a condition that the store checks
(``If-None-Match: *``, ``O_EXCL``), so of two runs that claim at once one sees the other's claim, and a claim is either
committed or released. What a claim holds is what no claim before it held, hence the order of the numbers is the truth.

Once all claims up to a number have ended, a snapshot keeps what of them was committed, 16 bytes a version: a reader
then needs the newest snapshot and the claims after it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from airflow_ml_provider.artifacts.errors import AlreadyExistsError, ArtifactCorruptError
from airflow_ml_provider.artifacts.layout import join, store_segment
from airflow_ml_provider.artifacts.objects import create_object, filesystem, read_object, store_errors, write_object
from airflow_ml_provider.protocol.codec import from_json, to_json
from airflow_ml_provider.protocol.errors import ProtocolError
from airflow_ml_provider.protocol.manifest import SourceObject

SOURCES = "_sources"
SNAPSHOT_EVERY = 50
_DIGEST_BYTES = 16
_LIMIT_BYTES = 64 * 1024 * 1024

Outcome = Literal["committed", "released"]
T = TypeVar("T")


@dataclass(frozen=True)
class Claim:
    """What a run was given.

    Attributes:
        number: Counts from 1.
        dag_run: The run.
        claimed_at: In seconds since the epoch.
        objects: What it was given.
    """

    number: int
    dag_run: str
    claimed_at: float
    objects: tuple[SourceObject, ...]


@dataclass(frozen=True)
class End:
    """How a claim ended.

    Attributes:
        outcome: ``committed``: its run succeeded; ``released``: its objects may be given to another run.
        reason: Who said so, for people.
        ended_at: In seconds since the epoch.
    """

    outcome: Outcome
    reason: str
    ended_at: float


@dataclass
class Ledger:
    """All claims of a source, as they were when they were read.

    Attributes:
        claims: Those after the snapshot, by number.
        ends: How they ended, by number; what is not there is open.
        last: The highest number of all.
        snapshot: The number up to which a snapshot said what was committed; 0 for none.
    """

    claims: dict[int, Claim] = field(default_factory=dict)
    ends: dict[int, End] = field(default_factory=dict)
    last: int = 0
    snapshot: int = 0
    _handed_out: set[bytes] = field(default_factory=set)

    def is_handed_out(self, found: SourceObject) -> bool:
        """Whether a version belongs to a claim that is open or committed."""
        return _digest(found) in self._handed_out

    def open(self) -> list[Claim]:
        """Return the claims that have not ended, the first one first."""
        return [self.claims[number] for number in sorted(self.claims.keys() - self.ends.keys())]

    @property
    def handed_out(self) -> int:
        """How many versions belong to a claim that is open or committed."""
        return len(self._handed_out)

    def take(self, claim: Claim, end: End | None) -> None:
        """Add a claim."""
        self.claims[claim.number] = claim
        self.last = max(self.last, claim.number)
        if end is not None:
            self.ends[claim.number] = end
        if end is None or end.outcome == "committed":
            self._handed_out.update(map(_digest, claim.objects))

    def take_snapshot(self, number: int, digests: bytes) -> None:
        """Begin with what was committed up to a number."""
        self.snapshot = self.last = number
        steps = range(0, len(digests), _DIGEST_BYTES)
        self._handed_out = {digests[start : start + _DIGEST_BYTES] for start in steps}


class SourceClaims:
    """The claims of one source of one pipeline.

    Args:
        store: URI of the artifact store.
        pipeline: The pipeline's (DAG's) id.
        source: The source's name.
    """

    def __init__(self, store: str, *, pipeline: str, source: str) -> None:
        self.uri = join(store, SOURCES, store_segment(pipeline), store_segment(source))

    def read(self) -> Ledger:
        """Return all claims.

        Raises:
            ArtifactCorruptError: A claim cannot be read.
            StoreUnavailableError: The store did not answer.
        """
        ledger = Ledger()
        # Ends are listed before claims: an end that is seen belongs to a claim that is seen.
        ended = set(self._numbers("ends"))
        numbers = self._numbers("claims")
        snapshots = self._numbers("snapshots")
        if snapshots:
            number = max(snapshots)
            ledger.take_snapshot(number, read_object(self._part("snapshots", number)))
        for number in sorted(numbers):
            if number > ledger.snapshot:
                ledger.take(self._claim(number), self._end(number) if number in ended else None)
        return ledger

    def claim(self, ledger: Ledger, *, dag_run: str, objects: tuple[SourceObject, ...], now: float) -> Claim | None:
        """Give objects to a run; ``None`` when another claim came in between: read again, and look again.

        Args:
            ledger: What was known when the objects were chosen.
            dag_run: The run.
            objects: What it is given.
            now: In seconds since the epoch.

        Raises:
            StoreUnavailableError: The store did not answer.
        """
        claim = Claim(number=ledger.last + 1, dag_run=dag_run, claimed_at=now, objects=objects)
        try:
            create_object(self._part("claims", claim.number), to_json(claim, limit=_LIMIT_BYTES).encode())
        except AlreadyExistsError:
            return None
        # Found again without a look at all claims; a run that died before this is found among those after the snapshot.
        write_object(self._run_uri(dag_run), str(claim.number).encode())
        return claim

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
            create_object(self._part("ends", number), to_json(end, limit=_LIMIT_BYTES).encode())
        except AlreadyExistsError:
            return self._end(number)
        return end

    def keep_snapshot(self, ledger: Ledger) -> None:
        """Keep a snapshot when enough claims ended since the last one; another's of the same claims is as good.

        Raises:
            StoreUnavailableError: The store did not answer.
        """
        number = ledger.snapshot
        committed = set(ledger._handed_out)
        for following in range(ledger.snapshot + 1, ledger.last + 1):
            if following not in ledger.ends:
                break
            number = following
        for claim in ledger.claims.values():
            if claim.number > number and ledger.ends.get(claim.number, _OPEN).outcome == "committed":
                committed.difference_update(map(_digest, claim.objects))
        if number - ledger.snapshot < SNAPSHOT_EVERY:
            return
        try:
            create_object(self._part("snapshots", number), b"".join(sorted(committed)))
        except AlreadyExistsError:
            return

    def _claim(self, number: int) -> Claim:
        return _read(Claim, self._part("claims", number))

    def _end(self, number: int) -> End:
        return _read(End, self._part("ends", number))

    def _run_uri(self, dag_run: str) -> str:
        return join(self.uri, "runs", store_segment(dag_run))

    def _numbers(self, folder: str) -> list[int]:
        return list(_numbers(join(self.uri, folder)))

    def _part(self, folder: str, number: int) -> str:
        return join(self.uri, folder, f"{number:010d}.{'bin' if folder == 'snapshots' else 'json'}")


_OPEN = End(outcome="committed", reason="", ended_at=0.0)


def _read(cls: type[T], uri: str) -> T:
    try:
        return from_json(cls, read_object(uri), limit=_LIMIT_BYTES)
    except (FileNotFoundError, ProtocolError) as error:
        raise ArtifactCorruptError(f"{uri} cannot be read: {error}") from error


def _numbers(uri: str) -> Iterator[int]:
    fs, path = filesystem(uri)
    fs.invalidate_cache()
    try:
        with store_errors("read", uri):
            entries = fs.ls(path, detail=False)
    except FileNotFoundError:
        return
    for entry in entries:
        stem, _, suffix = entry.rpartition("/")[2].partition(".")
        if stem.isdigit() and suffix in ("json", "bin"):
            yield int(stem)


def _digest(found: SourceObject) -> bytes:
    text = f"{found.uri}\n{found.version}".encode(errors="surrogateescape")
    return hashlib.sha256(text).digest()[:_DIGEST_BYTES]
