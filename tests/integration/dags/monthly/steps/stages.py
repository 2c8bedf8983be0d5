"""Adds up numbers."""

import time
from pathlib import Path


def total(data: Path) -> dict[str, float]:
    """Return the sum of all files; one without a number fails, one that names a path waits for it."""
    return {"total": float(sum(_number(file.read_text()) for file in sorted(data.rglob("*.csv"))))}


def _number(text: str) -> int:
    number, _, gate = text.partition(" ")
    while gate and not Path(gate).exists():
        time.sleep(0.2)
    return int(number)
