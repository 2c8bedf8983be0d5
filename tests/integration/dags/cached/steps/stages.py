"""Stages whose results are reused; what they do does not matter, only what it depends on."""

from pathlib import Path


def features(data: Path, train: Path) -> dict[str, int]:
    numbers = sorted({int(line) for file in data.rglob("*.csv") for line in file.read_text().split() if line})
    train.write_text("\n".join(map(str, numbers)))
    return {"rows": len(numbers)}


def train(train: Path, model: Path, *, slope: int, threads: int, bias: int = 0) -> dict[str, int]:
    model.write_text(str(slope))
    return {"slope": slope}


def evaluate(model: Path, test: Path) -> dict[str, int]:
    return {"error": int(model.read_text()) * len(test.read_text().split())}
