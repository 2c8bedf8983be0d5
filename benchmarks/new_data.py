"""Looking for new objects: a million objects in a prefix, and a thousand watchers on one event loop.

A server in another process answers ListObjectsV2 as S3 does, in pages of 1000. Each variant runs in a fresh process.

A million objects of which 100 are new: one look of ours, whose ledger holds the others, against one poke of Airflow's
S3KeySensor and one list of its S3KeyTrigger, where the amazon provider is installed. These ask whether anything matches
a wildcard, and are done with the first match; here they wait for something that is not there yet, so they list all, as
ours must. Memory is what the look adds to the process's peak.

A thousand watchers: NewDataTrigger under Airflow's SharedStreamManager, each on a prefix of its own, or all on one. The
goal is a longest delay of the loop under 100 ms; next to it stands the longest garbage collection, which holds up
everything in the process.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime as dt
import gc
import http.server
import json
import multiprocessing
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlparse

from airflow_ml_provider.artifacts.claims import SourceClaims
from airflow_ml_provider.artifacts.ledger import Claim, Ledger
from airflow_ml_provider.artifacts.source_files import objects as objects_of
from airflow_ml_provider.decisions.data.settling import Quiet
from airflow_ml_provider.protocol.manifest import SourceObject
from airflow_ml_provider.sources.origins import Files
from airflow_ml_provider.sources.watched_source import WatchedSource
from airflow_ml_provider.testing.server_process import free_port

PAGE = 1000
NEW = 100
WRITTEN = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
VARIANTS = {"ours": "a look", "sensor": "S3KeySensor, a poke", "trigger": "S3KeyTrigger, a list"}


def key(number: int) -> str:
    """Return the key of an object."""
    return f"feed/day={number // 10_000:04d}/part-{number:09d}.csv"


def peak() -> float:
    """Return the most memory that this process had, in MiB."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(re.findall(r"VmHWM:\s+(\d+)", status)[0]) / 1024


class Listing(http.server.BaseHTTPRequestHandler):
    """ListObjectsV2 of ``--objects`` below ``feed/``, ten that still settle below ``watched/``, none elsewhere."""

    objects = 0
    requests: Any = None
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer a list."""
        query = {name: values[0] for name, values in parse_qs(urlparse(self.path).query).items()}
        with self.requests.get_lock():
            self.requests.value += 1
        prefix = query.get("prefix", "")
        start = int(query.get("continuation-token", "0"))
        if prefix.startswith("feed/"):
            names, when = [key(number) for number in range(start, min(start + PAGE, self.objects))], WRITTEN
        elif prefix.startswith("watched/"):
            names, when = [f"{prefix}{number}.csv" for number in range(10)], dt.datetime.now(dt.UTC)
        else:
            names, when = [], WRITTEN
        more = prefix.startswith("feed/") and start + PAGE < self.objects
        text = when.strftime("%Y-%m-%dT%H:%M:%S.000Z")
        body = "".join(
            f"<Contents><Key>{quote(name)}</Key><LastModified>{text}</LastModified>"
            f"<ETag>&quot;0123456789abcdef0123456789abcdef&quot;</ETag><Size>1000</Size>"
            f"<StorageClass>STANDARD</StorageClass></Contents>"
            for name in names
        )
        token = f"<NextContinuationToken>{start + PAGE}</NextContinuationToken>" if more else ""
        page = (
            '<?xml version="1.0" encoding="UTF-8"?>'
            '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>raw</Name>'
            f"<Prefix>{prefix}</Prefix><KeyCount>{len(names)}</KeyCount><MaxKeys>{PAGE}</MaxKeys>"
            f"<EncodingType>url</EncodingType><IsTruncated>{str(more).lower()}</IsTruncated>{token}{body}"
            "</ListBucketResult>"
        ).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, *arguments: Any) -> None:
        """Say nothing."""


def serve(port: int, objects: int, requests: Any) -> None:
    """Answer until the process is ended."""
    Listing.objects, Listing.requests = objects, requests
    http.server.ThreadingHTTPServer(("127.0.0.1", port), Listing).serve_forever()


def million(variant: str, *, store: str, objects: int) -> dict[str, float]:
    """Look once; returns seconds, MiB that were added, and how many were found."""
    if variant == "ours":
        list(objects_of("s3://raw/none/*"))
        source = WatchedSource(store, "p", "feed", Files("s3://raw/feed/**/*.csv"), Quiet(60.0))
        look = lambda: len(source.look(source.claims.read(), limit=10_000).new)  # noqa: E731
    else:
        from airflow.providers.amazon.aws.hooks.s3 import S3Hook

        hook, pattern = S3Hook(aws_conn_id=None), "feed/*.parquet"
        hook.list_keys("raw", prefix="none/")
        if variant == "sensor":
            from airflow.providers.amazon.aws.sensors.s3 import S3KeySensor

            sensor = S3KeySensor(
                task_id="t", bucket_name="raw", bucket_key=pattern, wildcard_match=True, aws_conn_id=None
            )
            look = lambda: int(sensor._check_key(pattern, {}))  # noqa: E731
        else:

            async def listed() -> int:
                async with await hook.get_async_conn() as client:
                    return int(await hook.check_key_async(client, "raw", [pattern], wildcard_match=True))

            look = lambda: asyncio.run(listed())  # noqa: E731
    before = peak()
    began = time.perf_counter()
    found = look()
    seconds = time.perf_counter() - began
    return {
        "seconds": seconds,
        "MiB": peak() - before,
        "found": found,
    }


def handed_out(store: str, objects: int) -> None:
    """Keep a snapshot of all but the newest objects."""
    from airflow_ml_provider.artifacts.objects import create_object

    version = f"0123456789abcdef0123456789abcdef {int(WRITTEN.timestamp())}"
    given = (
        SourceObject(f"s3://raw/{key(number)}", version, 1000, WRITTEN.timestamp()) for number in range(objects - NEW)
    )
    ledger = Ledger()
    ledger.take(Claim(50, "", 0.0, tuple(given)), None)
    claims = SourceClaims(store, pipeline="p", source="feed")
    create_object(f"{claims.uri}/log/0000000050.snapshot.bin", ledger.as_snapshot(lookback=None))


async def watch(count: int, *, store: str, shared: bool, seconds: float, poll: float) -> dict[str, float]:
    """Let triggers watch; returns the longest delay of the loop in ms, and MiB a thousand of them added."""
    import structlog
    from airflow.triggers.shared_stream import SharedStreamManager

    from airflow_ml_provider.triggers.new_data import NewDataTrigger

    list(objects_of("s3://raw/none/*"))
    manager = SharedStreamManager(log=structlog.get_logger())
    before = peak()

    async def one(number: int) -> None:
        uri = "s3://raw/watched/all/*.csv" if shared else f"s3://raw/watched/{number}/*.csv"
        source = WatchedSource(store, f"p{number}", "feed", Files(uri), Quiet(3600.0))
        trigger = NewDataTrigger(source=source.to_plain(), poll=poll)
        trigger_key = trigger.shared_stream_key()
        assert trigger_key is not None
        stream = manager.subscribe(trigger_id=number, trigger=trigger, key=trigger_key)
        async for _ in trigger.filter_shared_stream(stream):
            pass

    delays = []
    collections: list[float] = [0.0]
    begun = 0.0

    def collected(phase: str, _: Mapping[str, int]) -> None:
        nonlocal begun
        if phase == "start":
            begun = time.perf_counter()
        else:
            collections.append(time.perf_counter() - begun)

    async def measure() -> None:
        while True:
            began = time.perf_counter()
            await asyncio.sleep(0.01)
            delays.append(time.perf_counter() - began - 0.01)

    tasks = [asyncio.create_task(one(number)) for number in range(count)]
    await asyncio.sleep(poll)
    gc.callbacks.append(collected)
    meter = asyncio.create_task(measure())
    await asyncio.sleep(seconds)
    for task in (meter, *tasks):
        task.cancel()
    await asyncio.gather(meter, *tasks, return_exceptions=True)
    await manager.stop_all()
    return {"delay_ms": 1000 * max(delays), "collection_ms": 1000 * max(collections), "MiB": peak() - before}


def in_fresh_process(*arguments: str, environment: dict[str, str]) -> dict[str, float]:
    """Run one variant and return what it measured."""
    command = [sys.executable, __file__, *arguments]
    done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(arguments)} failed:\n{done.stderr[-2000:]}")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--objects", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--watchers", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=90.0)
    parser.add_argument("--poll", type=float, default=30.0)
    parser.add_argument("--variant", nargs=2, metavar=("NAME", "STORE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.variant:
        name, store = options.variant
        if name in VARIANTS:
            print(json.dumps(million(name, store=store, objects=options.objects)))
        else:
            shared = name == "one prefix"
            watching = watch(options.watchers, store=store, shared=shared, seconds=options.seconds, poll=options.poll)
            print(json.dumps(asyncio.run(watching)))
        return
    variants = [name for name in VARIANTS if name == "ours" or _has_amazon()]
    port, requests = free_port(), multiprocessing.Value("q", 0)
    server = multiprocessing.Process(target=serve, args=(port, options.objects, requests), daemon=True)
    server.start()
    environment = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    limits = [f"--{name}={getattr(options, name)}" for name in ("objects", "watchers", "seconds", "poll")]

    def run(name: str, store: str) -> dict[str, float]:
        before = requests.value
        found = in_fresh_process("--variant", name, store, *limits, environment=environment)
        return {**found, "requests": requests.value - before}

    with tempfile.TemporaryDirectory() as folder:
        store = f"file://{Path(folder)}/store"
        handed_out(store, options.objects)
        rounds = [{name: run(name, store) for name in variants} for _ in range(options.repeats)]
    print(f"{options.objects:,} objects, {NEW} new; medians of {options.repeats}")
    print(f"{'':24}{'seconds':>9}{'ratio':>8}{'MiB':>8}{'pages':>8}{'found':>10}")
    ours = statistics.median(each["ours"]["seconds"] for each in rounds)
    for name in variants:
        seconds, mib, pages, found = (
            statistics.median(each[name][what] for each in rounds) for what in ("seconds", "MiB", "requests", "found")
        )
        print(f"{VARIANTS[name]:24}{seconds:9.1f}{seconds / ours:8.2f}{mib:8.0f}{pages:8.0f}{found:10.0f}")
    print(f"\n{options.watchers:,} watchers, a look every {options.poll:.0f} s, their claims in the same S3")
    print(f"{'':24}{'longest delay, ms':>20}{'collection, ms':>16}{'KiB each':>10}{'requests a minute':>20}")
    for name in ("own prefixes", "one prefix"):
        found = run(name, "s3://claims/store")
        minutes = (options.seconds + options.poll) / 60
        kib = found["MiB"] * 1024 / options.watchers
        delays = f"{found['delay_ms']:20.0f}{found['collection_ms']:16.0f}"
        print(f"{name:24}{delays}{kib:10.0f}{found['requests'] / minutes:20.0f}")
    server.terminate()


def _has_amazon() -> bool:
    from importlib.util import find_spec

    try:
        return find_spec("airflow.providers.amazon") is not None
    except ModuleNotFoundError:
        return False


if __name__ == "__main__":
    main()
