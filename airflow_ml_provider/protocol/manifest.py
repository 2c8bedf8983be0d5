"""The objects that one run is given, one JSON line each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from airflow_ml_provider.protocol.codec import from_json, to_json

_LINE_LIMIT_BYTES = 16 * 1024


@dataclass(frozen=True, order=True)
class SourceObject:
    """One version of one object of a source.

    Attributes:
        uri: Where it lies.
        version: What tells this version from others: its ETag, or size, time of change and inode.
        size: In bytes.
        changed: When it was written, by the clock of its store, in seconds since the epoch.
    """

    uri: str
    version: str
    size: int
    changed: float


def to_lines(objects: Iterable[SourceObject]) -> bytes:
    """Return a manifest.

    Raises:
        ProtocolError: A name is over 16 KiB.
    """
    return "".join(f"{to_json(found, limit=_LINE_LIMIT_BYTES)}\n" for found in objects).encode()


def from_lines(content: bytes) -> Iterator[SourceObject]:
    """Read a manifest.

    Raises:
        ProtocolError: A line is no object.
    """
    for line in content.splitlines():
        yield from_json(SourceObject, line, limit=_LINE_LIMIT_BYTES)
