"""Writes docs/reference/python.md from the ``__all__`` of the public modules and their docstrings."""

from __future__ import annotations

import inspect
import re
import textwrap
from importlib import import_module
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "python.md"
MODULES = (
    "airflow_ml_provider.operators",
    "airflow_ml_provider.sensors",
    "airflow_ml_provider.sources",
    "airflow_ml_provider.dag_factory",
    "airflow_ml_provider.exceptions",
    "airflow_ml_provider.hooks.mlflow",
    "airflow_ml_provider.testing",
    "airflow_ml_provider.kind_registry",
    "airflow_ml_provider.kinds.stage",
    "airflow_ml_provider.spec.stages",
)
HEAD = """\
# The Python API

Written by `python -m tests.reference.python_page` from the `__all__` of these modules; a test compares it. What is on
this page is stable: before it changes, a warning says so for one version ([how](../../CONTRIBUTING.md#what-is-stable)).
Everything else may change with any version. `@task.ml_stage` is described in
[pipelines in Python](../how-to/write-pipelines-in-python.md), the arguments of `KubernetesPodOperator` that operators
take in [pod arguments](pod-arguments.md).
"""


def page() -> str:
    """Return the page."""
    return "\n".join([HEAD, *(_module(name) for name in MODULES)]).rstrip() + "\n"


def _module(name: str) -> str:
    module = import_module(name)
    parts = [f"## `{name}`", _summary(module.__doc__)]
    parts += [_entry(public, getattr(module, public)) for public in sorted(module.__all__)]
    return "\n\n".join(parts) + "\n"


def _entry(name: str, found: Any) -> str:
    shown = f"{name}()" if inspect.isfunction(found) else name
    parts = [f"### `{shown}`", _summary(found.__doc__)]
    if inspect.isclass(found) and issubclass(found, Exception):
        base = next(base for base in found.__bases__ if base is not object)
        parts.append(f"A `{base.__name__}`.")
    for title in ("Args", "Attributes", "Raises"):
        rows = _section(found.__doc__ or "", title)
        if rows:
            head = {"Args": "argument", "Attributes": "attribute", "Raises": "error"}[title]
            table = [f"| {head} | meaning |", "| --- | --- |", *(f"| `{key}` | {text} |" for key, text in rows)]
            parts.append("\n".join(table))
    return "\n\n".join(parts)


def _summary(doc: str | None) -> str:
    """Return what stands before the first section of a docstring."""
    text = inspect.cleandoc(doc or "")
    text = re.split(r"^(?:Args|Attributes|Raises|Returns|Yields):$", text, maxsplit=1, flags=re.MULTILINE)[0]
    return _markdown("\n\n".join(part for part in text.strip().split("\n\n") if "──" not in part))


def _section(doc: str, title: str) -> list[tuple[str, str]]:
    found = re.search(rf"^{title}:\n((?:[ ]+.*\n?|\n)+)", inspect.cleandoc(doc) + "\n", flags=re.MULTILINE)
    if found is None:
        return []
    entries = re.split(r"^(?=\S)", textwrap.dedent(found[1]).strip(), flags=re.MULTILINE)
    pairs = (entry.partition(":") for entry in entries if entry.strip())
    return [(key.strip(), _markdown(" ".join(text.split())).replace("|", "\\|")) for key, _, text in pairs]


def _markdown(text: str) -> str:
    text = re.sub(r":(?:class|func|meth):`~?([^`]+)`", r"`\1`", text)
    return re.sub(r"``([^`]+)``", r"`\1`", text).replace("::\n", ":\n")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
