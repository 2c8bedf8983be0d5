"""YAML to plain values that know where they stand in the file; safe, strict and bounded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from airflow_ml_provider.spec.problems import Problem, SpecError

FILE_LIMIT_BYTES = 1024 * 1024
NODE_LIMIT = 50_000
DEPTH_LIMIT = 40

KeyPath = tuple[str | int, ...]

_MERGE_TAG = "tag:yaml.org,2002:merge"

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class YamlSource:
    """A parsed file.

    Attributes:
        path: The file.
        value: Plain dicts, lists and scalars.
        positions: Line and column, from 1, of each value by key path; of the key for a mapping's entries.
        lines: The file's lines.
    """

    path: Path
    value: Any
    positions: Mapping[KeyPath, tuple[int, int]]
    lines: tuple[str, ...]

    def problem(self, key_path: KeyPath, message: str) -> Problem:
        """Return a problem at a key path, or at its nearest parent that is in the file."""
        known = key_path
        while known and known not in self.positions:
            known = known[:-1]
        line, column = self.positions.get(known, (1, 1))
        snippet = self.lines[line - 1] if line <= len(self.lines) else ""
        return Problem(str(self.path), line, column, ".".join(map(str, key_path)), message, snippet)


def read_yaml(path: Path) -> YamlSource:
    """Read a YAML file with the safe loader; duplicate keys are errors.

    Raises:
        SpecError: The file is missing, too large, no UTF-8, or no valid YAML.
    """
    try:
        size = path.stat().st_size
        if size > FILE_LIMIT_BYTES:
            raise _whole(path, f"the file has {size:,} bytes, {FILE_LIMIT_BYTES:,} are allowed")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise _whole(path, f"the file cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise _whole(path, f"the file is not UTF-8: byte {error.start} is {error.object[error.start]:#x}") from error
    lines = tuple(text.splitlines())
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        reader = _Reader(path, lines, loader)
        value = None if node is None else reader.read(node, ())
    except yaml.MarkedYAMLError as error:
        raise SpecError([_syntax_problem(path, lines, error)]) from error
    except yaml.YAMLError as error:
        raise _whole(path, f"no valid YAML: {error}") from error
    finally:
        loader.dispose()
    if reader.problems:
        raise SpecError(reader.problems)
    return YamlSource(path, value, reader.positions, lines)


class _Reader:
    def __init__(self, path: Path, lines: tuple[str, ...], loader: Any) -> None:
        self.path = path
        self.lines = lines
        self.positions: dict[KeyPath, tuple[int, int]] = {}
        self.problems: list[Problem] = []
        self._loader = loader
        self._count = 0

    def read(self, node: yaml.Node, path: KeyPath) -> Any:
        self._count += 1
        if self._count > NODE_LIMIT or len(path) > DEPTH_LIMIT:
            raise _whole(
                self.path,
                f"more than {NODE_LIMIT:,} values or {DEPTH_LIMIT} levels once its aliases are expanded",
            )
        self.positions.setdefault(path, _position(node))
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.read(item, (*path, index)) for index, item in enumerate(node.value)]
        try:
            return self._loader.construct_object(node)
        except (ValueError, KeyError, OverflowError) as error:
            self._problem(node, path, f"{node.value!r} is no {node.tag.rpartition(':')[2]}: {error}")
            return None

    def _mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, Any]:
        written: set[str] = set()
        for key, _ in node.value:
            if isinstance(key.value, str) and key.tag != _MERGE_TAG:
                if key.value in written:
                    self._problem(key, (*path, key.value), f"key {key.value!r} is written twice")
                written.add(key.value)
        self._loader.flatten_mapping(node)
        values: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self._problem(key_node, path, "a key must be plain text")
                continue
            key = str(key_node.value)
            self.positions[(*path, key)] = _position(key_node)
            values[key] = self.read(value_node, (*path, key))
        return values

    def _problem(self, node: yaml.Node, path: KeyPath, message: str) -> None:
        line, column = _position(node)
        shown = ".".join(map(str, path))
        self.problems.append(Problem(str(self.path), line, column, shown, message, self.lines[line - 1]))


def _position(node: yaml.Node) -> tuple[int, int]:
    return node.start_mark.line + 1, node.start_mark.column + 1


def _whole(path: Path, message: str) -> SpecError:
    return SpecError([Problem(str(path), 0, 0, "", message)])


def _syntax_problem(path: Path, lines: tuple[str, ...], error: yaml.MarkedYAMLError) -> Problem:
    mark = error.problem_mark or error.context_mark
    line, column = (1, 1) if mark is None else (mark.line + 1, mark.column + 1)
    snippet = lines[line - 1] if line <= len(lines) else ""
    message = f"no valid YAML: {error.problem or error.context}"
    if "\t" in snippet:
        message += "; the line holds a tab, indent with spaces"
    return Problem(str(path), line, column, "", message, snippet)
