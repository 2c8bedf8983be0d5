"""Digesting artifacts: GB/s of a file and of a folder against sha256sum, and what is not read again.

Files are random bytes in the page cache. Each round measures every variant once, in turn. Where an ingest stage is
reused, its files are not read: ETag, or size, time of change and inode, prove them unchanged.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from airflow_ml_provider.artifacts.digest import digest_of, scan
from airflow_ml_provider.artifacts.source_files import fingerprint

PART_BYTES = 1024 * 1024


def write(folder: Path, *, megabytes: int) -> None:
    """Write one file, and as much again in files of a megabyte."""
    (folder / "parts").mkdir()
    with (folder / "whole").open("wb") as whole:
        for number in range(megabytes):
            part = os.urandom(PART_BYTES)
            whole.write(part)
            (folder / "parts" / f"{number:06d}").write_bytes(part)


def seconds(work: Callable[[], object]) -> float:
    """Return how long something takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--megabytes", type=int, default=1024)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder, megabytes=options.megabytes)
        whole, parts = folder / "whole", folder / "parts"
        variants: dict[str, Callable[[], object]] = {
            "sha256sum, a file": lambda: subprocess.run(["sha256sum", whole], check=True, capture_output=True),
            "a file": lambda: digest_of(scan(whole)),
            "sha256sum, a folder": lambda: subprocess.run(
                ["find", parts, "-type", "f", "-exec", "sha256sum", "{}", "+"], check=True, capture_output=True
            ),
            "a folder": lambda: digest_of(scan(parts)),
            "a folder, not read again": lambda: fingerprint(f"{parts}/*"),
        }
        for work in variants.values():
            work()
        rounds = [{name: seconds(work) for name, work in variants.items()} for _ in range(options.repeats)]
    median = {name: statistics.median(each[name] for each in rounds) for name in variants}
    print(f"{options.megabytes} MiB; medians of {options.repeats}")
    print(f"{'':28}{'seconds':>9}{'GB/s':>8}{'of sha256sum':>14}")
    for name, taken in median.items():
        base = median["sha256sum, a folder" if "folder" in name else "sha256sum, a file"]
        speed = options.megabytes * PART_BYTES / taken / 1e9
        print(f"{name:28}{taken:9.3f}{speed:8.2f}{base / taken:14.2f}")


if __name__ == "__main__":
    main()
