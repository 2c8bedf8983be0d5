"""The commit record: written last, it turns uploaded files into an artifact."""

from __future__ import annotations

import re
from dataclasses import dataclass

from airflow_ml_provider.artifacts.digest import FileEntry, digest_of, require_apart, require_relative
from airflow_ml_provider.artifacts.errors import ArtifactCorruptError, InvalidArtifactError
from airflow_ml_provider.protocol.artifact import ArtifactRef
from airflow_ml_provider.protocol.codec import from_json, to_json
from airflow_ml_provider.protocol.errors import ProtocolError
from airflow_ml_provider.protocol.version import PROTOCOL_VERSION

COMMIT_LIMIT_BYTES = 256 * 1024 * 1024
_SHA256 = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True)
class CommitRecord:
    """What an artifact consists of.

    Attributes:
        digest: The digest of the whole artifact.
        type: The artifact's type.
        files: Every file of it.
        protocol: The protocol version of its writer.
    """

    digest: str
    type: str
    files: tuple[FileEntry, ...]
    protocol: int = PROTOCOL_VERSION

    @classmethod
    def of(cls, entries: list[FileEntry], *, artifact_type: str) -> CommitRecord:
        """Make the record of an artifact from its scanned files."""
        return cls(digest=digest_of(entries), type=artifact_type, files=tuple(entries))

    def to_json(self) -> bytes:
        """Return the record as it lies in the store."""
        return to_json(self, limit=COMMIT_LIMIT_BYTES).encode()

    @classmethod
    def from_json(cls, text: bytes, *, uri: str) -> CommitRecord:
        """Read a record and check that it is sound.

        Raises:
            ArtifactCorruptError: It is cut, names files outside its folder or two in one place, or its digest does not
                fit.
        """
        try:
            record = from_json(cls, text, limit=COMMIT_LIMIT_BYTES)
            # A reference knows which digests, types and sizes there are.
            record.ref(uri)
            for entry in record.files:
                if entry.path:
                    require_relative(entry.path)
                if entry.size < 0 or not _SHA256.fullmatch(entry.sha256):
                    raise ProtocolError(f"file {entry.path!r} has no size or digest")
            require_apart(entry.path for entry in record.files)
        except (ProtocolError, InvalidArtifactError) as error:
            raise ArtifactCorruptError(f"commit record {uri} is damaged: {error}") from error
        if record.protocol != PROTOCOL_VERSION:
            raise ArtifactCorruptError(
                f"commit record {uri} was written by protocol {record.protocol}, this side reads "
                f"{PROTOCOL_VERSION}: run the stage that made it again"
            )
        if digest_of(record.files) != record.digest:
            raise ArtifactCorruptError(f"commit record {uri} is damaged: its digest does not fit its files")
        return record

    def ref(self, uri: str) -> ArtifactRef:
        """Return the reference that travels in XComs."""
        size = sum(entry.size for entry in self.files)
        return ArtifactRef(uri=uri, digest=self.digest, type=self.type, size=size)
