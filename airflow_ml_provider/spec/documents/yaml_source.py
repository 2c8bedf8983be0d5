"""YAML to plain values that know where they stand in the file; safe, strict and bounded."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from airflow_ml_provider.spec.documents.document import Document, KeyPath, Position
from airflow_ml_provider.spec.problems import Problem, SpecError

FILE_LIMIT_BYTES = 1024 * 1024
NODE_LIMIT = 50_000
DEPTH_LIMIT = 40

_MERGE_TAG = "tag:yaml.org,2002:merge"
_PREFIX = "tag:yaml.org,2002:"
_TEXT = f"{_PREFIX}str"

# Plain scalars that YAML 1.1 and 1.2 read differently: https://yaml.org/spec/1.2.2/ext/changes/.
_AMBIGUOUS = re.compile(
    r"""(?P<word>yes|no|on|off)
    |(?P<octal>[-+]?0[0-9_]+)
    |(?P<grouped>[-+]?[0-9][0-9_]*_[0-9_]*(\.[0-9_]*)?)
    |(?P<binary>[-+]?0b[01_]+)
    |(?P<clock>[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?)
    |(?P<octal12>0o[0-7]+)
    |(?P<exponent>[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)[eE][0-9]+|[-+]?[0-9]+[eE][-+][0-9]+)""",
    re.VERBOSE | re.IGNORECASE,
)
_FIRST_OF_AMBIGUOUS = frozenset("yYnNoO0123456789+-.")

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_yaml(path: Path) -> Document:
    """Read a YAML file with the safe loader; duplicate keys and values with two readings are errors.

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
        raise _whole(
            path,
            f"the file is not UTF-8: byte {error.start} is {error.object[error.start]:#x}; save it as UTF-8",
        ) from error
    return parse_yaml(text, file=str(path))


def parse_yaml(text: str, *, file: str) -> Document:
    """Read YAML text; ``file`` is what its problems name.

    Raises:
        SpecError: The text is not valid YAML.
    """
    lines = tuple(text.splitlines())
    try:
        loader = _Loader(text)
    except yaml.reader.ReaderError as error:
        raise _unreadable(file, text, error) from error
    reader = _Reader(file, lines, loader)
    try:
        node = loader.get_single_node()
        value = None if node is None else reader.read(node, ())
    except yaml.MarkedYAMLError as error:
        raise SpecError([_syntax_problem(file, lines, error)]) from error
    except yaml.reader.ReaderError as error:
        raise _unreadable(file, text, error) from error
    except (yaml.YAMLError, RecursionError) as error:
        raise _whole(file, f"no valid YAML: {error}") from error
    finally:
        loader.dispose()
    if reader.problems:
        raise SpecError(reader.problems)
    return Document(file, value, reader.positions, {file: lines})


def is_ambiguous(text: str) -> bool:
    """Whether a plain scalar is read in two ways, as ``no`` or ``010`` are."""
    return _AMBIGUOUS.fullmatch(text) is not None


class _Reader:
    def __init__(self, file: str, lines: tuple[str, ...], loader: Any) -> None:
        self.file = file
        self.lines = lines
        self.positions: dict[KeyPath, Position] = {}
        self.problems: list[Problem] = []
        self._loader = loader
        self._count = 0

    def read(self, node: yaml.Node, path: KeyPath) -> Any:
        self._count += 1
        if self._count > NODE_LIMIT or len(path) > DEPTH_LIMIT:
            raise _too_much(self.file)
        if path not in self.positions:
            self.positions[path] = self._position(node)
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if node.tag != f"{_PREFIX}seq":
            self._problem(node, path, f"tag {node.tag.removeprefix(_PREFIX)!r} is not allowed")
        return [self.read(item, (*path, index)) for index, item in enumerate(node.value)]

    def _scalar(self, node: yaml.ScalarNode, path: KeyPath) -> Any:
        text = node.value
        if node.tag == _TEXT and (node.style or not text or text[0] not in _FIRST_OF_AMBIGUOUS):
            return text
        if not node.style and (found := _AMBIGUOUS.fullmatch(text)):
            self._problem(node, path, _AMBIGUITY[found.lastgroup or ""].format(text=text, low=text.lower()))
            return None
        try:
            return self._loader.construct_object(node)
        except yaml.constructor.ConstructorError:
            self._problem(node, path, f"tag {node.tag.removeprefix(_PREFIX)!r} is not allowed; write a plain value")
        except (ValueError, LookupError, OverflowError, AttributeError, TypeError) as error:
            self._problem(node, path, f"{text!r} is not a valid {node.tag.rpartition(':')[2]}: {error}")
        return None

    def _mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, Any]:
        if node.tag != f"{_PREFIX}map":
            self._problem(node, path, f"tag {node.tag.removeprefix(_PREFIX)!r} is not allowed")
        written: set[str] = set()
        own: list[tuple[yaml.Node, yaml.Node]] = []
        merged: list[tuple[yaml.Node, yaml.Node]] = []
        for key, value in node.value:
            if key.tag == _MERGE_TAG:
                merged += self._merged(value, path)
                continue
            own.append((key, value))
            if isinstance(key, yaml.ScalarNode):
                if key.value in written:
                    self._problem(key, (*path, key.value), f"key {key.value!r} is written twice")
                written.add(key.value)
        values: dict[str, Any] = {}
        # Own keys come before merged ones, and of those the first: https://yaml.org/type/merge.html
        for number, (key_node, value_node) in enumerate((*own, *merged)):
            if number >= len(own) and str(key_node.value) in values:
                continue
            if not isinstance(key_node, yaml.ScalarNode):
                line = self.lines[key_node.start_mark.line]
                hint = "; put a template in quotes: '{{ ... }}'" if "{{" in line else ""
                self._problem(key_node, path, f"a key must be plain text{hint}")
                continue
            if key_node.tag != _TEXT and key_node.tag != self._loader.resolve(
                type(key_node), key_node.value, (True, False)
            ):
                self._problem(key_node, path, f"tag {key_node.tag.removeprefix(_PREFIX)!r} is not allowed on a key")
                continue
            key = str(key_node.value)
            self.positions[(*path, key)] = self._position(key_node)
            values[key] = self.read(value_node, (*path, key))
        return values

    def _merged(self, node: yaml.Node, path: KeyPath, depth: int = 0) -> list[tuple[yaml.Node, yaml.Node]]:
        """Return the keys and values of what a merge key names, the first of each key first."""
        sources = node.value if isinstance(node, yaml.SequenceNode) else [node]
        found: list[tuple[yaml.Node, yaml.Node]] = []
        for source in sources:
            if not isinstance(source, yaml.MappingNode) or depth > DEPTH_LIMIT:
                self._problem(node, path, "<< takes a mapping, or a list of mappings")
                continue
            inner = [value for key, value in source.value if key.tag == _MERGE_TAG]
            found += [(key, value) for key, value in source.value if key.tag != _MERGE_TAG]
            for value in inner:
                found += self._merged(value, path, depth + 1)
            self._count += len(source.value)
            if self._count > NODE_LIMIT:
                raise _too_much(self.file)
        return found

    def _position(self, node: yaml.Node) -> Position:
        mark = node.start_mark
        return Position(self.file, mark.line + 1, mark.column + 1)

    def _problem(self, node: yaml.Node, path: KeyPath, message: str) -> None:
        place = self._position(node)
        shown = ".".join(map(str, path))
        snippet = self.lines[place.line - 1] if place.line <= len(self.lines) else ""
        self.problems.append(Problem(self.file, place.line, place.column, shown, message, snippet))


_HINTS = {
    "mapping values are not allowed": "is the indentation right, or does a text with ': ' lack quotes?",
    "cannot start any token": "a text that begins so needs quotes",
    "undefined alias": "a text that begins with * needs quotes",
    "another document": "a file holds one pipeline: remove the '---'",
    "did not find expected key": "is the line indented like its neighbours, and every quote closed?",
}
_AMBIGUITY = {
    "word": "{text!r} is text to some YAML readers and true or false to others: write true, false or '{text}'",
    "octal": "{text!r} is octal to some YAML readers and decimal to others: drop the leading zero, or write '{text}'",
    "octal12": "{text!r} is octal to some YAML readers and text to others: write it as a decimal, or '{text}'",
    "grouped": "{text!r} is a number to some YAML readers and text to others: drop the '_', or write '{text}'",
    "binary": "{text!r} is a number to some YAML readers and text to others: write it as a decimal, or '{text}'",
    "clock": "{text!r} is a number in base 60 to some YAML readers: write '{text}'",
    "exponent": "{text!r} is a number to some YAML readers and text to others: write it without an exponent, as "
    "1.0e+3, or '{text}'",
}


def _whole(file: Path | str, message: str) -> SpecError:
    return SpecError([Problem(str(file), 0, 0, "", message)])


def _too_much(file: str) -> SpecError:
    return _whole(file, f"more than {NODE_LIMIT:,} values or {DEPTH_LIMIT} levels once its aliases are expanded")


def _unreadable(file: str, text: str, error: yaml.reader.ReaderError) -> SpecError:
    # libyaml counts bytes.
    before = text.encode()[: error.position].decode(errors="ignore")
    line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
    character = error.character if isinstance(error.character, int) else ord(error.character)
    return SpecError(
        [Problem(file, line, column, "", f"character U+{character:04X} is not allowed in YAML; remove it")]
    )


def _syntax_problem(file: str, lines: tuple[str, ...], error: yaml.MarkedYAMLError) -> Problem:
    mark = error.problem_mark or error.context_mark
    line, column = (1, 1) if mark is None else (mark.line + 1, mark.column + 1)
    snippet = lines[line - 1] if line <= len(lines) else ""
    message = f"no valid YAML: {error.problem or error.context}"
    if error.problem and error.context and error.context_mark is not None:
        message += f" ({error.context} that begins in line {error.context_mark.line + 1})"
    hint = "the line holds a tab, indent with spaces" if "\t" in snippet else _hint(message)
    if hint:
        message += f"; {hint}"
    return Problem(file, line, column, "", message, snippet)


def _hint(message: str) -> str:
    return next((hint for part, hint in _HINTS.items() if part in message), "")
