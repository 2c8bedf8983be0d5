"""An archive of code, unpacked: one of ours, or refused before anything is written."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

from airflow_ml_provider.artifacts.digest import require_apart, require_relative
from airflow_ml_provider.artifacts.errors import ArtifactCorruptError, InvalidArtifactError

CODE_LIMIT_BYTES = 64 * 1024 * 1024
CODE_LIMIT_FILES = 20_000
_ENCRYPTED = 0x1


def unpack_code(content: bytes, destination: Path) -> None:
    """Unpack an archive of ``pack_code`` below a folder.

    Raises:
        ArtifactCorruptError: It is no such archive: it names a file outside the folder or two in one place, is packed
            tighter than ours, which are stored as they are, or has more bytes or files than one of ours.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            _require_ours(archive)
            for entry in archive.infolist():
                target = destination / require_relative(entry.filename)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(archive.read(entry))
                target.chmod((entry.external_attr >> 16) & 0o777 or 0o644)
    except (zipfile.BadZipFile, InvalidArtifactError) as error:
        raise ArtifactCorruptError(f"the code archive is damaged: {error}") from error


def _require_ours(archive: zipfile.ZipFile) -> None:
    entries = archive.infolist()
    if len(entries) > CODE_LIMIT_FILES:
        raise InvalidArtifactError(f"it has {len(entries):,} files, {CODE_LIMIT_FILES:,} are allowed")
    size = sum(entry.file_size for entry in entries)
    if size > CODE_LIMIT_BYTES:
        raise InvalidArtifactError(f"it has {size:,} bytes unpacked, {CODE_LIMIT_BYTES:,} are allowed")
    for entry in entries:
        require_relative(entry.filename)
        if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & _ENCRYPTED or entry.is_dir():
            raise InvalidArtifactError(f"{entry.filename!r} is compressed, encrypted or a folder, which ours never are")
    require_apart(entry.filename for entry in entries)
