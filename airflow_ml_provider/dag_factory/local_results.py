"""What the stages of a pipeline put out in the last local run, so that one of them can run alone."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class LocalResults:
    """Results by stage, a file each.

    Args:
        home: The folder of local runs.
        pipeline: The pipeline's name.
    """

    def __init__(self, home: Path, pipeline: str) -> None:
        self._folder = home / "results" / pipeline

    def keep(self, stage: str, result: Mapping[str, Any]) -> None:
        """Keep the outputs and values of a stage, by name; a reader sees the old ones or the new ones."""
        self._folder.mkdir(parents=True, exist_ok=True)
        part = self._folder / f".{stage}.{os.getpid()}"
        part.write_text(json.dumps(dict(result)), encoding="utf-8")
        part.replace(self._folder / f"{stage}.json")

    def of(self, stage: str) -> dict[str, Any]:
        """Return what a stage put out, empty when it never ran here."""
        try:
            found: dict[str, Any] = json.loads((self._folder / f"{stage}.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        return found
