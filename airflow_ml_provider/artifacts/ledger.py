"""What the claims of a source say, folded in the order of their numbers."""

from __future__ import annotations

import hashlib
import json
import struct
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from airflow_ml_provider.artifacts.errors import ArtifactCorruptError
from airflow_ml_provider.artifacts.moment import require_moment
from airflow_ml_provider.protocol.codec import from_plain, to_plain
from airflow_ml_provider.protocol.errors import ProtocolError
from airflow_ml_provider.protocol.manifest import NONSENSE_SECONDS, NUMBER, SourceObject

Outcome = Literal["committed", "released"]

_DIGEST_BYTES = 16
_ENTRY = struct.Struct(f"{_DIGEST_BYTES}sd")


@dataclass(frozen=True)
class Claim:
    """What a run was given; or, without a run, a person's word on what was given before.

    Attributes:
        number: Counts from 1.
        dag_run: The run; empty when a person wrote this.
        claimed_at: In seconds since the epoch.
        objects: What it was given.
        kind: What the source was of.
        left: The earliest time of change of what was new too and not given; ``None`` when there was no more.
        gone: What was given back before and was not there any more.
        replays: Numbers of claims whose objects are new again.
        partition: Of those claims, only this one; ``None`` for all.
        resets: Whether everything is new again.
        reason: What a person did, for people.
    """

    number: int
    dag_run: str
    claimed_at: float
    objects: tuple[SourceObject, ...]
    kind: str = ""
    left: float | None = None
    gone: tuple[SourceObject, ...] = ()
    replays: tuple[int, ...] = ()
    partition: str | None = None
    resets: bool = False
    reason: str = ""

    def __post_init__(self) -> None:
        require_moment("claimed_at", self.claimed_at)


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
        ends: How they ended, by number; what is not there is open, or a person's word.
        last: The highest number of all.
        snapshot: The number up to which a snapshot said what was given; 0 for none.
        kind: What the source is of.
        top: What was given with the latest time of change; a time that is far ahead says nothing.
        newest: What was given last.
        left: The earliest time of change of what was left at the last claim.
        floor: What changed before this time is forgotten, and not to be asked for: of sources that are listed from a
            watermark on.
    """

    claims: dict[int, Claim] = field(default_factory=dict)
    ends: dict[int, End] = field(default_factory=dict)
    last: int = 0
    snapshot: int = 0
    kind: str = ""
    top: SourceObject | None = None
    newest: SourceObject | None = None
    left: float | None = None
    floor: float | None = None
    _entries: bytes = b""
    _given: dict[bytes, float] = field(default_factory=dict)
    _taken_back: set[bytes] = field(default_factory=set)
    _returned: dict[bytes, SourceObject] = field(default_factory=dict)

    @classmethod
    def of_snapshot(cls, number: int, content: bytes) -> Ledger:
        """Begin with what a snapshot says.

        Raises:
            ArtifactCorruptError: It is no snapshot.
        """
        header, _, entries = content.partition(b"\n")
        try:
            plain = json.loads(header)
            top, newest = (plain[key] and from_plain(SourceObject, plain[key]) for key in ("top", "newest"))
            ledger = cls(
                last=number,
                snapshot=number,
                kind=plain["kind"],
                top=top,
                newest=newest,
                left=plain["left"],
                floor=plain["floor"],
            )
            ledger._put_back(from_plain(SourceObject, entry) for entry in plain["returned"])
        except (ValueError, KeyError, TypeError, ProtocolError) as error:
            raise ArtifactCorruptError(f"snapshot {number} cannot be read: {error}") from error
        if len(entries) % _ENTRY.size:
            raise ArtifactCorruptError(f"snapshot {number} was cut: {len(entries)} bytes of entries")
        ledger._entries = entries
        return ledger

    @property
    def handed_out(self) -> int:
        """How many versions belong to a claim that is open or committed."""
        return len(self._entries) // _ENTRY.size - len(self._taken_back) + len(self._given)

    @property
    def returned(self) -> list[SourceObject]:
        """What was given once and is new again."""
        return [found for digest, found in self._returned.items() if not self._has(digest)]

    def is_handed_out(self, found: SourceObject) -> bool:
        """Whether a version belongs to a claim that is open or committed, or is older than what is remembered."""
        digest = _digest(found)
        if self.floor is not None and found.changed < self.floor and digest not in self._returned:
            return True
        return self._has(digest)

    def open(self) -> list[Claim]:
        """Return the claims of runs that have not ended, the first one first."""
        return [self.claims[number] for number in sorted(self.claims.keys() - self.ends.keys()) if self._of_run(number)]

    def busy(self) -> set[str]:
        """Return the partitions that a run has."""
        return {found.partition for claim in self.open() for found in claim.objects} - {""}

    def take(self, claim: Claim, end: End | None, *, replayed: Iterable[SourceObject] = ()) -> None:
        """Add the next claim.

        Args:
            claim: The claim.
            end: How it ended.
            replayed: The objects of the claims that it replays.
        """
        self.claims[claim.number] = claim
        self.last = max(self.last, claim.number)
        if end is not None:
            self.ends[claim.number] = end
        if claim.resets:
            self._entries = b""
            self.top = self.newest = self.left = self.floor = None
            self.kind = claim.kind
            for part in (self._given, self._taken_back, self._returned):
                part.clear()
        self._put_back(replayed)
        for found in claim.gone:
            self._returned.pop(_digest(found), None)
        if claim.dag_run:
            self.kind, self.left = claim.kind, claim.left
        if end is not None and end.outcome == "released":
            self._returned |= {_digest(found): found for found in claim.objects}
            return
        for found in claim.objects:
            digest = _digest(found)
            if not self._has(digest):
                self._given[digest] = found.changed
            sane = found.version.startswith(NUMBER) or found.changed < claim.claimed_at + NONSENSE_SECONDS
            if sane and (self.top is None or found.changed >= self.top.changed):
                self.top = found
            if digest not in self._returned:
                self.newest = found

    def begin(self, lookback: float) -> float | None:
        """Return from which time of change on a source is listed; ``None`` for all of it.

        Args:
            lookback: How far before what was given, and before what was left, in units of the time of change.
        """
        if self.top is None:
            return None
        start = min(self.top.changed, self.top.changed if self.left is None else self.left) - lookback
        if self.floor is not None:
            start = max(start, self.floor)
        return min([start, *(found.changed for found in self.returned)])

    def ended_up_to(self) -> int:
        """Return the last number up to which all claims have ended."""
        number = self.snapshot
        while (number + 1) in self.ends or ((number + 1) in self.claims and not self._of_run(number + 1)):
            number += 1
        return number

    def as_snapshot(self, *, lookback: float | None) -> bytes:
        """Return what ``of_snapshot`` reads.

        Args:
            lookback: For sources that are listed from a watermark on: how far before the latest one; what is older is
                forgotten. ``None`` for all others.
        """
        floor = self.floor
        if lookback is not None and self.top is not None:
            before = self.top.changed if self.left is None else min(self.top.changed, self.left)
            floor = max(before - lookback, floor if floor is not None else -float("inf"))
        header = {
            "kind": self.kind,
            "top": to_plain(self.top),
            "newest": to_plain(self.newest),
            "left": self.left,
            "floor": floor,
            "returned": to_plain(self.returned),
        }
        entries = sorted(entry for entry in self._all() if floor is None or _ENTRY.unpack(entry)[1] >= floor)
        return json.dumps(header).encode() + b"\n" + b"".join(entries)

    def _all(self) -> Iterator[bytes]:
        for start in range(0, len(self._entries), _ENTRY.size):
            entry = self._entries[start : start + _ENTRY.size]
            if entry[:_DIGEST_BYTES] not in self._taken_back:
                yield entry
        for digest, changed in self._given.items():
            yield _ENTRY.pack(digest, changed)

    def _of_run(self, number: int) -> bool:
        return bool(self.claims[number].dag_run)

    def _put_back(self, objects: Iterable[SourceObject]) -> None:
        for found in objects:
            digest = _digest(found)
            self._returned[digest] = found
            if self._given.pop(digest, None) is None and self._in_snapshot(digest):
                self._taken_back.add(digest)

    def _has(self, digest: bytes) -> bool:
        return digest in self._given or (digest not in self._taken_back and self._in_snapshot(digest))

    def _in_snapshot(self, digest: bytes) -> bool:
        count = len(self._entries) // _ENTRY.size
        at = bisect_left(range(count), digest, key=self._digest_at)
        return at < count and self._digest_at(at) == digest

    def _digest_at(self, index: int) -> bytes:
        start = index * _ENTRY.size
        return self._entries[start : start + _DIGEST_BYTES]


def _digest(found: SourceObject) -> bytes:
    text = f"{found.uri}\n{found.version}".encode(errors="surrogateescape")
    return hashlib.sha256(text).digest()[:_DIGEST_BYTES]
