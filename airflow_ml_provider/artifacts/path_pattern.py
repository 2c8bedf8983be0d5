"""URI patterns: ``*`` and ``**`` as fsspec has them, and ``{year}`` for a part that names a partition."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from airflow_ml_provider.artifacts.errors import StoreError

_WILDCARD = re.compile(r"[*?\[]")
_NAMED = r"\{[A-Za-z_][A-Za-z0-9_]*\}"
_PLACEHOLDER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
_AMBIGUOUS = re.compile(rf"{_NAMED}(?:[*?\[]|{_NAMED})|[*?\]]{_NAMED}")


def placeholders(pattern: str) -> list[str]:
    """Return the names of a pattern's placeholders, each once, in order."""
    return list(dict.fromkeys(_PLACEHOLDER.findall(pattern)))


def ambiguous(pattern: str) -> str | None:
    """Return where a placeholder stands next to a wildcard or another, so that its end is nowhere; else ``None``."""
    found = _AMBIGUOUS.search(pattern)
    return found[0] if found else None


def literal_prefix(pattern: str) -> str:
    """Return what a pattern begins with up to its first wildcard or placeholder."""
    found = [match.start() for kind in (_WILDCARD, _PLACEHOLDER) if (match := kind.search(pattern))]
    return pattern[: min(found)] if found else pattern


def source_folder(pattern: str) -> str:
    """Return the folder in which all files of a pattern lie, with its last slash."""
    return f"{literal_prefix(pattern).rpartition('/')[0]}/"


def glob_expression(pattern: str) -> re.Pattern[str]:
    """Return what matches the paths of a pattern with wildcards alone.

    Raises:
        StoreError: It is not a pattern.
    """
    from fsspec.utils import glob_translate

    try:
        return re.compile(glob_translate(pattern))
    except (ValueError, re.error) as error:
        raise StoreError(f"{pattern} is not a pattern: {error}") from error


@dataclass(frozen=True)
class PathPattern:
    """Tells which paths a pattern matches, and which partition each belongs to.

    Args:
        pattern: A path with wildcards and placeholders; a placeholder stands for one or more characters but ``/``.
        partition: How partitions are called, such as ``{year}-{month}``; default is the values with ``-`` between.

    Raises:
        StoreError: It is not a pattern.
    """

    pattern: str
    partition: str | None = None

    def __post_init__(self) -> None:
        """Compile; a frozen dataclass has no other place for it."""
        names: Sequence[str] = placeholders(self.pattern)
        if adjacent := ambiguous(self.pattern):
            raise StoreError(
                f"{self.pattern} is not a pattern: in {adjacent} nobody can tell where the placeholder ends; write "
                f"something between"
            )
        if unknown := [name for name in placeholders(self.partition or "") if name not in names]:
            raise StoreError(f"partition {self.partition!r}: {self.pattern} has no placeholder {unknown[0]!r}")
        # Letters and underscores pass through the translation as they are.
        marked = _PLACEHOLDER.sub(lambda match: f"__placeholder_{names.index(match[1])}__", self.pattern)
        text = glob_expression(marked).pattern
        for number, name in enumerate(names):
            text = text.replace(f"__placeholder_{number}__", f"(?P<{name}>[^/]+?)", 1)
            text = text.replace(f"__placeholder_{number}__", f"(?P={name})")
        try:
            compiled = re.compile(text)
        except re.error as error:
            raise StoreError(f"{self.pattern} is not a pattern: {error}") from error
        object.__setattr__(self, "_names", names)
        object.__setattr__(self, "_compiled", compiled)

    def match(self, path: str) -> str | None:
        """Return the partition of a path, empty without placeholders; ``None`` where it does not match."""
        found = self._compiled.match(path)  # type: ignore[attr-defined]
        if found is None:
            return None
        values = found.groupdict()
        if self.partition is None:
            return "-".join(values[name] for name in self._names)  # type: ignore[attr-defined]
        return _PLACEHOLDER.sub(lambda match: values[match[1]], self.partition)
