"""Writing and reading artifacts: upload, commit last; read the commit first, check every byte."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from pathlib import Path

from airflow_ml_provider.artifacts.commit import COMMIT_LIMIT_BYTES, CommitRecord
from airflow_ml_provider.artifacts.digest import FileEntry, hash_file, scan
from airflow_ml_provider.artifacts.errors import (
    ArtifactCorruptError,
    ArtifactNotCommittedError,
    InvalidArtifactError,
)
from airflow_ml_provider.artifacts.layout import commit_record_uri, content_uri, join
from airflow_ml_provider.artifacts.objects import (
    create_or_match,
    filesystem,
    read_object,
    store_errors,
    upload_file,
    write_object,
)
from airflow_ml_provider.artifacts.progress import with_progress
from airflow_ml_provider.protocol.artifact import ArtifactRef
from airflow_ml_provider.protocol.names import require_name


class ArtifactStore:
    """Artifacts below attempt directories of any fsspec file system.

    An artifact exists from the moment its commit record does. The record lists every file with its digest, so
    a reader needs no listing and takes nothing that was not committed.
    """

    def put(self, path: Path, *, directory: str, output: str, artifact_type: str) -> ArtifactRef:
        """Upload a file or folder as an output of an attempt and commit it.

        Args:
            path: The local file or folder.
            directory: The attempt's directory in the store.
            output: The output's name.
            artifact_type: One of ``ARTIFACT_TYPES``.

        Raises:
            InvalidArtifactError: ``path`` is missing, has no file in it, or holds links.
            AlreadyExistsError: This attempt committed that output before.
            StoreUnavailableError: The store did not answer.
        """
        uri = join(directory, require_name(output, of="output"))
        entries = scan(path)
        if not entries:
            raise InvalidArtifactError(f"{path.name}: the folder holds no file")
        fs, root = filesystem(uri)
        for entry in with_progress(entries, what=f"Writing output {output!r}"):
            target = _place(root, entry)
            with store_errors("write", _place(uri, entry)):
                upload_file(fs, path / entry.path, target)
        return self.commit(entries, directory=directory, output=output, artifact_type=artifact_type)

    def commit(self, entries: list[FileEntry], *, directory: str, output: str, artifact_type: str) -> ArtifactRef:
        """Commit files that lie where the output is: they become an artifact in one step.

        Args:
            entries: The files, below the output.
            directory: The attempt's directory in the store.
            output: The output's name.
            artifact_type: One of ``ARTIFACT_TYPES``.

        Raises:
            InvalidArtifactError: There is none.
            AlreadyExistsError: This attempt committed that output before, with other content.
            StoreUnavailableError: The store did not answer.
        """
        uri = join(directory, output)
        if not entries:
            raise InvalidArtifactError(f"output {output!r} has no file")
        record = CommitRecord.of(entries, artifact_type=artifact_type)
        create_or_match(commit_record_uri(uri), record.to_json())
        return record.ref(uri)

    def entries(self, ref: ArtifactRef) -> tuple[FileEntry, ...]:
        """Return the files of an artifact; that of one that is a file has an empty path.

        Raises:
            ArtifactNotCommittedError: There is no commit record at ``ref.uri``.
            ArtifactCorruptError: The record is another artifact's.
            StoreUnavailableError: The store did not answer.
        """
        return self._record_of(ref).files

    def find(self, uri: str) -> ArtifactRef:
        """Return the reference of the committed artifact at a URI.

        Raises:
            ArtifactNotCommittedError: There is no commit record.
            ArtifactCorruptError: The record is damaged.
            StoreUnavailableError: The store did not answer.
        """
        return self._record(uri).ref(uri)

    def require_whole(self, ref: ArtifactRef) -> None:
        """Look whether every file of an artifact is there with its size; the content is read when it is fetched.

        Raises:
            ArtifactNotCommittedError: There is no commit record at ``ref.uri``.
            ArtifactCorruptError: The record is another artifact's, or a file is gone or has another size.
            StoreUnavailableError: The store did not answer.
        """
        record = self._record_of(ref)
        fs, root = filesystem(ref.uri)
        fs.invalidate_cache()
        with store_errors("look for", ref.uri):
            found = fs.find(root, detail=True)
        # Another protocol's names may carry the bucket or not: what follows the artifact's own path counts.
        sizes = {path.rpartition(root)[2].lstrip("/"): entry["size"] for path, entry in found.items()}
        for entry in record.files:
            if sizes.get(entry.path) != entry.size:
                has = f"{sizes[entry.path]:,} bytes" if entry.path in sizes else "nothing"
                raise ArtifactCorruptError(f"{_place(ref.uri, entry)} has {has}, {entry.size:,} bytes were committed")

    def fetch(self, ref: ArtifactRef, destination: Path, *, only: str | None = None) -> None:
        """Bring an artifact to a local path that does not exist yet; it appears whole or not at all.

        Args:
            ref: The artifact.
            destination: The path.
            only: The one file of it that is wanted, ``None`` for all.

        Raises:
            ArtifactNotCommittedError: There is no commit record at ``ref.uri``.
            ArtifactCorruptError: The content is not what the reference says.
            StoreUnavailableError: The store did not answer.
        """
        record = self._record_of(ref)
        fs, root = filesystem(ref.uri)
        destination.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=destination.parent, prefix=".fetch-") as folder:
            staged = Path(folder, destination.name)
            wanted = [entry for entry in record.files if only in (None, entry.path)]
            for entry in with_progress(wanted, what=f"Fetching {destination.name!r}"):
                source = _place(root, entry)
                target = staged / entry.path
                target.parent.mkdir(parents=True, exist_ok=True)
                try:
                    with store_errors("read", _place(ref.uri, entry)):
                        fs.get_file(source, str(target))
                except FileNotFoundError as error:
                    raise ArtifactCorruptError(
                        f"{_place(ref.uri, entry)} was removed after its commit: run the stage that made it again"
                    ) from error
                _require_content(target, entry, ref.uri)
            shutil.move(staged, destination)

    def remove(self, uri: str) -> None:
        """Remove an artifact, its commit record first; that there is none is success.

        Raises:
            StoreUnavailableError: The store did not answer.
        """
        for part in (commit_record_uri(uri), uri):
            fs, path = filesystem(part)
            try:
                with store_errors("read", part):
                    fs.rm(path, recursive=True)
            except FileNotFoundError:
                continue

    def put_content(self, store: str, content: bytes, *, suffix: str) -> ArtifactRef:
        """Store bytes under their own digest; the same bytes are stored once.

        Raises:
            StoreUnavailableError: The store did not answer.
        """
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        uri = content_uri(store, digest, suffix)
        fs, path = filesystem(uri)
        with store_errors("look for", uri):
            if not fs.exists(path):
                write_object(uri, content)
        return ArtifactRef(uri=uri, digest=digest, type="file", size=len(content))

    def fetch_content(self, ref: ArtifactRef) -> bytes:
        """Return the bytes that ``put_content`` stored.

        Raises:
            ArtifactNotCommittedError: They are not there.
            ArtifactCorruptError: They are not what the reference says.
            StoreUnavailableError: The store did not answer.
        """
        try:
            content = read_object(ref.uri, limit=ref.size)
        except FileNotFoundError as error:
            raise ArtifactNotCommittedError(f"{ref.uri} does not exist in the store") from error
        except InvalidArtifactError as error:
            raise ArtifactCorruptError(f"{ref.uri} does not have the {ref.size:,} bytes of its reference") from error
        if f"sha256:{hashlib.sha256(content).hexdigest()}" != ref.digest:
            raise ArtifactCorruptError(f"{ref.uri} does not have the digest {ref.digest}")
        return content

    def _record_of(self, ref: ArtifactRef) -> CommitRecord:
        record = self._record(ref.uri)
        if record.digest != ref.digest:
            raise ArtifactCorruptError(
                f"{ref.uri} holds {record.digest}, its reference says {ref.digest}: run the stage that made it again"
            )
        return record

    def _record(self, uri: str) -> CommitRecord:
        record_uri = commit_record_uri(uri)
        try:
            return CommitRecord.from_json(read_object(record_uri, limit=COMMIT_LIMIT_BYTES), uri=record_uri)
        except FileNotFoundError as error:
            raise ArtifactNotCommittedError(
                f"{uri} has no commit record: the stage that makes it has not finished, failed, or its "
                f"artifacts were removed; run that stage again"
            ) from error


def _place(artifact: str, entry: FileEntry) -> str:
    """Return where a file of an artifact lies; that of one that is a file is the artifact itself."""
    return join(artifact, entry.path) if entry.path else artifact


def _require_content(path: Path, entry: FileEntry, uri: str) -> None:
    if path.stat().st_size != entry.size or hash_file(path) != entry.sha256:
        raise ArtifactCorruptError(
            f"{_place(uri, entry)} was changed after its commit: run the stage that made it again"
        )
