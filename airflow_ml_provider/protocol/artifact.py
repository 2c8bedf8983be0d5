"""A reference to an artifact: where it lies, what it contains, what it is."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from airflow_ml_provider.protocol.codec import from_plain, to_plain
from airflow_ml_provider.protocol.errors import ProtocolError

ARTIFACT_TYPES = ("dataset", "model", "report", "metrics", "directory", "file")

DIGEST_PATTERN = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True)
class ArtifactRef:
    """A committed artifact, small enough for an XCom.

    Attributes:
        uri: Where its content lies (any fsspec URI).
        digest: ``sha256:<64 hex digits>`` of its content, of a file or of a folder.
        type: One of ``ARTIFACT_TYPES``.
        size: The sum of its files' sizes, in bytes.
    """

    uri: str
    digest: str
    type: str
    size: int

    def __post_init__(self) -> None:
        if not self.uri or any(ord(character) < 32 for character in self.uri):
            raise ProtocolError(f"artifact URI {self.uri!r} is empty or holds a control character")
        if not DIGEST_PATTERN.fullmatch(self.digest):
            raise ProtocolError(f"artifact digest {self.digest!r} is not 'sha256:' and 64 hex digits")
        if self.type not in ARTIFACT_TYPES:
            raise ProtocolError(f"artifact type {self.type!r} is not one of {', '.join(ARTIFACT_TYPES)}")
        if self.size < 0:
            raise ProtocolError(f"artifact size {self.size} is negative")

    @classmethod
    def from_plain(cls, plain: Any) -> ArtifactRef:
        """Build a reference from the plain dict that an XCom carries.

        Raises:
            ProtocolError: The value is not an artifact reference.
        """
        return from_plain(cls, plain)

    def to_plain(self) -> dict[str, Any]:
        """Return the plain dict that an XCom carries."""
        plain: dict[str, Any] = to_plain(self)
        return plain
