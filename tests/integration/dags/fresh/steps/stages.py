"""What is done with new data."""

from pathlib import Path

BROKEN = False


def total(numbers: Path) -> dict[str, int]:
    if BROKEN:
        raise ValueError("this code is broken")
    return {"total": sum(int(file.read_text()) for file in numbers.rglob("*.csv"))}
