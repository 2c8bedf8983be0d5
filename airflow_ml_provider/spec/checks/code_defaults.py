"""What a function takes by default, read from its text: nothing of it is imported or run."""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

SOURCE_LIMIT_BYTES = 2 * 1024 * 1024


def code_defaults(root: Path, run: str) -> Mapping[str, Any]:
    """Return the defaults of a function by argument, those that are written out as JSON values.

    Args:
        root: The folder of code, by whose name it is imported.
        run: ``module:function``.
    """
    module, _, name = run.partition(":")
    path = root.joinpath(*module.split(".")[1:])
    with suppress(OSError, SyntaxError, ValueError, RecursionError):
        file = path.with_suffix(".py") if path.with_suffix(".py").is_file() else path / "__init__.py"
        known = file.stat()
        if known.st_size <= SOURCE_LIMIT_BYTES:
            return _functions(file, known.st_mtime_ns, known.st_size).get(name, {})
    return {}


@lru_cache(maxsize=4)
def _functions(file: Path, _changed: int, _size: int) -> Mapping[str, Mapping[str, Any]]:
    """Return the defaults of the functions of a file that has not changed since it was asked for."""
    tree = ast.parse(file.read_bytes())
    found = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    # Of several with one name the first counts.
    return {node.name: _defaults(node.args) for node in reversed(found)}


def _defaults(arguments: ast.arguments) -> dict[str, Any]:
    positional = [*arguments.posonlyargs, *arguments.args]
    written = [
        *zip(positional[len(positional) - len(arguments.defaults) :], arguments.defaults, strict=True),
        *zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True),
    ]
    found: dict[str, Any] = {}
    for argument, default in written:
        if default is not None:
            with suppress(ValueError, TypeError):
                value = ast.literal_eval(default)
                json.dumps(value)
                found[argument.arg] = value
    return found
