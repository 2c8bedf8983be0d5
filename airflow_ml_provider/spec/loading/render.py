"""A pipeline as it is once its environment, defaults and variables are taken in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from airflow_ml_provider.spec.documents.document import Document, KeyPath
from airflow_ml_provider.spec.documents.yaml_text import to_yaml
from airflow_ml_provider.spec.loading.load import LoadedPipeline


def resolved_text(loaded: LoadedPipeline) -> str:
    """Return the pipeline's YAML: the file as it was written where nothing changes it, else what came out."""
    document = loaded.document
    if document.is_as_written:
        return "\n".join(document.lines[document.file]) + "\n"
    return render(document)


def render(document: Document) -> str:
    """Return a document as YAML."""
    return to_yaml(document.value)


def explain(document: Document, *, relative_to: Path) -> Iterator[tuple[str, str, str]]:
    """Return each value with its key path and the place that it comes from.

    Args:
        document: A resolved document.
        relative_to: The folder from which files are named.
    """
    for path, value in _leaves(document.value, ()):
        place = document.position(path)
        file = Path(place.file)
        shown = file.relative_to(relative_to) if file.is_relative_to(relative_to) else file
        part = f" ({place.part})" if place.part else ""
        yield ".".join(map(str, path)), _scalar(value), f"{shown}:{place.line}{part}"


def _leaves(value: Any, path: KeyPath) -> Iterator[tuple[KeyPath, Any]]:
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _leaves(item, (*path, key))
    elif isinstance(value, list) and any(isinstance(item, dict | list) for item in value):
        for index, item in enumerate(value):
            yield from _leaves(item, (*path, index))
    else:
        yield path, value


def _scalar(value: Any) -> str:
    text = repr(value) if isinstance(value, str) and "\n" in value else to_yaml(value, flow=True, width=10_000)
    return text.removesuffix("\n").removesuffix("...").strip()
