"""The objects that one run is given, one JSON line each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from airflow_ml_provider.protocol.codec import from_json, to_json

NONSENSE_SECONDS = 86_400.0
"""A time of change that is further ahead of the clock says nothing."""
NUMBER = "number "
"""What the version of a row begins with whose watermark, and so its time of change, is a number and no time."""
_LINE_LIMIT_BYTES = 16 * 1024


@dataclass(frozen=True, order=True)
class SourceObject:
    """One version of one object of a source: a file, a row, a model version, an asset's event.

    Attributes:
        uri: Where it lies, or what it is called.
        version: What distinguishes this version from others: its ETag, size and time of change, a row's watermark.
        size: In bytes; 0 when nobody knows.
        changed: When it was written, by the clock of its store, in seconds since the epoch.
        partition: What part of the source it belongs to; empty when the source has no parts.
    """

    uri: str
    version: str
    size: int
    changed: float
    partition: str = ""


def to_lines(objects: Iterable[SourceObject]) -> bytes:
    """Return a manifest.

    Raises:
        ProtocolError: A name is over 16 KiB.
    """
    return "".join(f"{to_json(found, limit=_LINE_LIMIT_BYTES)}\n" for found in objects).encode()


def from_lines(content: bytes) -> Iterator[SourceObject]:
    """Read a manifest.

    Raises:
        ProtocolError: A line is not an object.
    """
    for line in content.splitlines():
        yield from_json(SourceObject, line, limit=_LINE_LIMIT_BYTES)
