"""Pipelines that somebody mistyped, by chance and repeatably."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

from tests.mistakes.cases import SECTIONS

ROOT = Path(__file__).parents[2]
CORPUS = Path(__file__).parent / "corpus"
SIZE_LIMIT = 20_000

# What hands and editors do, and what YAML has special meanings for.
_PIECES = [
    b"\t", b"\n", b"  ", b": ", b"- ", b"{", b"}", b"[", b"]", b'"', b"'", b"#", b"&a ", b"*a", b"<<: ", b"!!", b"!x ",
    b"%", b"@", b"`", b"|", b">", b"?", b"---\n", b"...\n", b"null", b"~", b"no", b"010", b"1e3", b"-1", b"0", b".nan",
    b"99999999999999999999", b"2024-01-01", b"{{ ds }}", b"${env:X}", b"${env:HOME}", b"\xff", b"\x00", b"\xc3\xa9",
    b"\xe2\x80\xa8", b"\xef\xbb\xbf", b"defaults: {retries: 1}\n", b"environments: {prod: {}}\n", b"kind: train",
    b"finish", b"metrics", b"../../../etc/passwd", b"x" * 300,
]  # fmt: skip


def seeds() -> list[bytes]:
    """Return the examples, the pipelines of all mistakes, and what once was found."""
    examples = [
        *ROOT.glob("example_dags/*/pipeline.yaml"),
        *ROOT.glob("tests/golden/*/pipeline.yaml"),
        ROOT / "airflow_ml_provider/cli/scaffold/pipeline.yaml",
        *sorted(CORPUS.glob("*.yaml")),
    ]
    mistakes = [mistake.content for section in SECTIONS.values() for mistake in section]
    return [*(path.read_bytes() for path in sorted(examples)), *(text for text in mistakes if len(text) < SIZE_LIMIT)]


def mutated(count: int, *, seed: int) -> Iterator[bytes]:
    """Return ``count`` mutations of the seeds."""
    chance = random.Random(seed)
    texts = seeds()
    for _ in range(count):
        text = chance.choice(texts)
        for _ in range(chance.choice((1, 1, 1, 2, 3, 8))):
            text = _mutation(text, chance, texts)
        yield text


def _mutation(text: bytes, chance: random.Random, texts: list[bytes]) -> bytes:
    start = chance.randint(0, len(text))
    end = min(len(text), start + chance.choice((1, 1, 2, 4, 16)))
    match chance.randrange(8):
        case 0:
            return text[:start] + text[end:]
        case 1:
            return text[:start] + chance.choice(_PIECES) + text[start:]
        case 2:
            return text[:start] + chance.choice(_PIECES) + text[end:]
        case 3:
            return text[:start] + bytes([chance.randrange(256)]) + text[end:]
        case 4:
            lines = text.splitlines(keepends=True)
            chance.shuffle(lines)
            return b"".join(lines)
        case 5:
            lines = text.splitlines(keepends=True)
            if lines:
                lines.insert(chance.randrange(len(lines) + 1), chance.choice(lines))
            return b"".join(lines)
        case 6:
            lines = text.splitlines(keepends=True)
            if lines:
                at = chance.randrange(len(lines))
                lines[at] = b" " * chance.randint(1, 3) + lines[at] if chance.random() < 0.5 else lines[at].lstrip()
            return b"".join(lines)
        case _:
            other = chance.choice(texts)
            cut = chance.randint(0, len(other))
            return (text[:start] + other[cut : cut + 200] + text[start:])[:SIZE_LIMIT]
