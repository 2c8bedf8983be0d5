"""The runtime travels into the pod in an environment variable, so any image with Python >= 3.10 can run a stage.

What travels is the source of ``protocol``, ``artifacts`` and ``runtime`` of this very version, without docstrings,
comments and annotations but those of a class's fields, in one compressed piece: every list and watch of the pod
carries it, so it is kept small.
"""

from __future__ import annotations

import ast
import base64
import io
import json
import tokenize
import zlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

RUNTIME_LIMIT_BYTES = 32 * 1024

_PACKAGE = Path(__file__).parent.parent
_SHIPPED = ("protocol", "artifacts", "runtime")
# What of the store only Airflow's side uses, and what of the runtime only processes of the local runner do.
_NOT_IN_PODS = {
    *("claims.py", "code_packing.py", "ledger.py", "moment.py", "results.py", "source_files.py"),
    *("isolation.py", "lifeline.py"),
}

_FUNCTION = ast.FunctionDef | ast.AsyncFunctionDef

BOOTSTRAP = """\
import base64, json, os, pathlib, runpy, sys, tempfile, zlib
shared = os.environ.get("AIRFLOW_ML_ROOT")
root = os.path.join(shared, "runtime") if shared else tempfile.mkdtemp(prefix="airflow-ml-runtime-")
for name, text in json.loads(zlib.decompress(base64.b64decode(os.environ.pop("AIRFLOW_ML_RUNTIME")))).items():
    path = pathlib.Path(root, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
sys.path.insert(0, root)
sys.argv = ["airflow-ml-stage"]
runpy.run_module("airflow_ml_provider.runtime", run_name="__main__")
"""
"""Runs in the container as ``python3 -c``; the standard library of Python 3.10 is all it has."""

STEP_BOOTSTRAP = """\
import os, runpy, sys
sys.path.insert(0, os.path.join(os.environ["AIRFLOW_ML_ROOT"], "runtime"))
sys.argv = ["airflow-ml-stage"]
runpy.run_module("airflow_ml_provider.runtime", run_name="__main__")
"""
"""Runs a later step with the runtime that the first one unpacked."""


@cache
def packed_runtime() -> str:
    """Return the packed runtime, without bodies, which come from the store.

    Raises:
        ValueError: It is over 32 KiB.
    """
    sources = {str(path.relative_to(_PACKAGE.parent)): shortened(path.read_text("utf-8")) for path in _shipped_files()}
    packed = base64.b64encode(
        zlib.compress(json.dumps(sources, sort_keys=True, separators=(",", ":")).encode(), 9)
    ).decode()
    if len(packed) > RUNTIME_LIMIT_BYTES:
        raise ValueError(
            f"the packed runtime has {len(packed):,} bytes, {RUNTIME_LIMIT_BYTES:,} are allowed in a pod's environment"
        )
    return packed


def shortened(source: str) -> str:
    """Return a module's source without docstrings, comments and annotations but fields'; lines keep their numbers."""
    lines = _without_annotations(source).splitlines(keepends=True)
    source = "".join(lines)
    for node in ast.walk(ast.parse(source)):
        body = node.body if isinstance(node, ast.Module | ast.ClassDef | _FUNCTION) else []
        said = [statement for statement in body if _is_text(statement)]
        for statement in said:
            start, end = statement.lineno - 1, statement.end_lineno or statement.lineno
            kept = f"{' ' * statement.col_offset}''\n" if said == body else "\n"
            lines[start:end] = [kept, *["\n"] * (end - start - 1)]
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            (row, column), line = token.start, lines[token.start[0] - 1]
            lines[row - 1] = f"{line[:column].rstrip()}\n"
    return "".join(lines)


def _is_text(statement: ast.stmt) -> bool:
    said = statement.value if isinstance(statement, ast.Expr) else None
    return isinstance(said, ast.Constant) and isinstance(said.value, str)


def _without_annotations(source: str) -> str:
    # Positions are of bytes.
    lines = source.encode().splitlines(keepends=True)
    spans = []
    tree = ast.parse(source)
    fields = {each for node in ast.walk(tree) if isinstance(node, ast.ClassDef) for each in ast.walk(node)} - {
        each for node in ast.walk(tree) if isinstance(node, _FUNCTION) for each in ast.walk(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, _FUNCTION) and node.returns is not None:
            line = node.returns.lineno - 1
            start = lines[line].rindex(b"->", 0, node.returns.col_offset)
            spans.append((line, len(lines[line][:start].rstrip()), node.returns))
        elif isinstance(node, ast.arg) and node.annotation is not None:
            spans.append((node.lineno - 1, node.col_offset + len(node.arg.encode()), node.annotation))
        elif isinstance(node, ast.AnnAssign) and node.value is not None and node not in fields:
            spans.append(((node.target.end_lineno or 1) - 1, node.target.end_col_offset or 0, node.annotation))
    for line, start, cut in sorted(spans, key=lambda span: span[:2], reverse=True):
        last, end = (cut.end_lineno or cut.lineno) - 1, cut.end_col_offset or 0
        rest = lines[last][end:]
        for between in range(line + 1, last + 1):
            lines[between] = b"\n"
        lines[line] = lines[line][:start] + rest
    return b"".join(lines).decode()


def _shipped_files() -> Iterator[Path]:
    yield _PACKAGE / "__init__.py"
    for folder in _SHIPPED:
        yield from sorted(path for path in (_PACKAGE / folder).glob("*.py") if path.name not in _NOT_IN_PODS)
    yield _PACKAGE / "runtime" / "stages" / "__init__.py"
