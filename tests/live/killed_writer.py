"""A writer of the store that is killed before one of its steps: ``python -m tests.live.killed_writer STORE ACT STEP``.

A step is a change of the file system below a ``file://`` store, or a request to an S3 server, before it is sent or
after it was answered.
"""

import os
import signal
import sys
import tempfile
from pathlib import Path

from airflow_ml_provider.artifacts import claims as claims_module
from airflow_ml_provider.artifacts.claims import SourceClaims
from airflow_ml_provider.artifacts.store import ArtifactStore
from airflow_ml_provider.protocol.manifest import SourceObject

OBJECTS = tuple(SourceObject(f"s3://raw/{name}", "1", 3, 10.0) for name in ("a", "b"))
_CHANGES = ("os.link", "os.mkdir", "os.remove", "os.rename", "open")


def commit(store, attempt):
    """Write an artifact of two files."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "sub").mkdir()
        (Path(folder) / "a.csv").write_text("1,2")
        (Path(folder) / "sub" / "b.csv").write_text("3,4")
        ArtifactStore().put(Path(folder), directory=f"{store}/p/{attempt}", output="data", artifact_type="dataset")


def claim(store, _attempt):
    """Give two objects to a run that may have them already, and commit them."""
    claims = SourceClaims(store, pipeline="p", source="s")
    ledger = claims.read()
    if claims.of_run(ledger, "r1") is None:
        assert claims.claim(ledger, dag_run="r1", objects=OBJECTS, now=1.0) is not None
    number = claims.of_run(claims.read(), "r1")[0].number
    claims.end(number, outcome="committed", reason="its run succeeded", now=2.0)
    claims.keep_snapshot(claims.read())


ACTS = {"commit": commit, "claim": claim}


def killed_before(step, store):
    """End this process as SIGKILL does before a step; returns nothing where it never comes to it."""
    done = [0]

    def count():
        if done[0] == step:
            os.kill(os.getpid(), signal.SIGKILL)
        done[0] += 1

    if store.startswith("s3://"):
        from aiobotocore.httpsession import AIOHTTPSession

        send = AIOHTTPSession.send

        async def counted(self, request):
            count()
            answer = await send(self, request)
            count()
            return answer

        AIOHTTPSession.send = counted
        return
    folder = store.removeprefix("file://")

    def look(event, arguments):
        reads = event == "open" and not arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        if event in _CHANGES and not reads and any(one.startswith(folder) for one in map(str, arguments)):
            count()

    sys.addaudithook(look)


if __name__ == "__main__":
    claims_module.SNAPSHOT_EVERY = 1
    where, act, at = sys.argv[1], sys.argv[2], int(sys.argv[3])
    killed_before(at, where)
    ACTS[act](where, f"1.{at}")
