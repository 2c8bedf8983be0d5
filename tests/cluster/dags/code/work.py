"""Stages that do what a fault needs of them; nothing but the standard library."""

import json
import os
import time
import urllib.error
import urllib.request
from pathlib import Path


def quick(model: Path, *, lines: int = 3) -> dict[str, float]:
    for number in range(lines):
        print(f"line {number}", flush=True)
    model.write_text("a model")
    return {"loss": 0.5}


def slow(model: Path, *, seconds: float = 20.0) -> dict[str, float]:
    for number in range(int(seconds * 2)):
        print(f"step {number}", flush=True)
        time.sleep(0.5)
    model.write_text("a model")
    return {"loss": 0.5}


def resuming(model: Path, checkpoints: Path, *, seconds: float = 20.0) -> dict[str, float]:
    done = checkpoints / "done"
    begun = int(done.read_text()) if done.exists() else 0
    for number in range(begun, int(seconds * 2)):
        _log_metric("progress", number)
        done.write_text(str(number + 1))
        print(f"step {number}", flush=True)
        time.sleep(0.5)
    model.write_text("a model")
    return {"begun": begun}


def _log_metric(key: str, step: int) -> None:
    point = {"key": key, "value": step, "step": step, "timestamp": time.time_ns() // 1_000_000}
    body = json.dumps({"run_id": os.environ["MLFLOW_RUN_ID"], **point}).encode()
    url = f"{os.environ['MLFLOW_TRACKING_URI']}/api/2.0/mlflow/runs/log-metric"
    asked = urllib.request.Request(url, data=body, headers={"Content-Type": "application/json"})
    for left in (4, 3, 2, 1, 0):
        try:
            urllib.request.urlopen(asked, timeout=10).close()
            return
        except urllib.error.URLError:  # as patient as MLflow's own client: a machine under load drops a connection
            if not left:
                raise
            time.sleep(1)


def greedy(model: Path) -> None:
    held = []
    while True:
        held.append(bytearray(16 * 1024 * 1024))
        time.sleep(0.02)


def holding(model: Path, *, mebibytes: int) -> None:
    held = [bytearray(1024 * 1024) for _ in range(mebibytes)]
    model.write_text(f"{len(held)} MiB")


def broken(model: Path) -> None:
    raise ValueError("the learning rate is negative")
