"""A whole pipeline on this machine, without a scheduler: Airflow's own ``dag.test()`` in a process of its own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from urllib.parse import quote

from airflow_ml_provider.local.events import Event, LocalRunRequest, RunEvent, StageEvent, TrialEvent
from airflow_ml_provider.local.home import prepared_home

REQUEST_VARIABLE = "AIRFLOW_ML_LOCAL_RUN"
_TAIL = 5

_LOADER = """\
from airflow_ml_provider.dag_factory.airflow_process import requested_dags

globals().update(requested_dags())
"""


class AirflowRun:
    """One run in a child process, which ends with this one.

    Args:
        request: What is to run.
        log: The file that takes all that the run prints.
    """

    def __init__(self, request: LocalRunRequest, *, log: Path) -> None:
        self._request = request
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def events(self) -> Iterator[Event]:
        """Run, and return what happens as it happens; the last event is a ``RunEvent``."""
        home = prepared_home(self._request.home)
        (home / "dags").mkdir(exist_ok=True)
        loader = home / "dags" / "load.py"
        # An earlier version may have left one that imports what is not there any more.
        if not loader.is_file() or loader.read_text(encoding="utf-8") != _LOADER:
            part = home / "dags" / f".load.{os.getpid()}"
            part.write_text(_LOADER)
            part.replace(loader)
        self._log.parent.mkdir(parents=True, exist_ok=True)
        read_end, write_end = os.pipe()
        lifeline, held = os.pipe()
        # What stages keep while they work goes with the run, however it ends.
        work = Path(tempfile.mkdtemp(prefix="work-", dir=home))
        request = {**asdict(self._request), "events": write_end, "lifeline": lifeline}
        last: RunEvent | None = None
        try:
            with self._log.open("wb") as log:
                self._process = subprocess.Popen(
                    # Without the current folder on the path, whose files may be called like modules of Python.
                    [sys.executable, "-P", "-m", "airflow_ml_provider.dag_factory.airflow_process"],
                    env={
                        **os.environ,
                        **local_environment(home),
                        "TMPDIR": str(work),
                        REQUEST_VARIABLE: json.dumps(request),
                    },
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    pass_fds=(write_end, lifeline),
                    start_new_session=True,
                )
            os.close(write_end)
            os.close(lifeline)
            write_end = lifeline = -1
            with os.fdopen(read_end, encoding="utf-8") as lines:
                for line in lines:
                    event = _read(line)
                    if isinstance(event, RunEvent):
                        last = event
                    yield event
            code = self._process.wait()
        finally:
            for end in (write_end, lifeline, held):
                if end >= 0:
                    os.close(end)
            self.stop()
            shutil.rmtree(work, ignore_errors=True)
        if last is None or last.state not in ("success", "failed", "refused"):
            last_lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()[-_TAIL:]
            tail = "".join(f"\n  | {line}" for line in last_lines)
            yield RunEvent("failed", message=f"the run's process ended with exit code {code}; see {self._log}{tail}")

    def stop(self) -> None:
        """End the run and all its stages."""
        process = self._process
        if process is None or process.poll() is not None:
            return
        for number, seconds in ((signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0)):
            with suppress(ProcessLookupError):
                os.killpg(process.pid, number)
            with suppress(subprocess.TimeoutExpired):
                process.wait(seconds)
                return


def _read(line: str) -> Event:
    event = json.loads(line)
    if "trial" in event:
        return TrialEvent(**event)
    return StageEvent(**event) if "stage" in event else RunEvent(**event)


def local_environment(home: Path) -> dict[str, str]:
    """Return the settings of an Airflow that is there for this run alone; the caller's own come first."""
    settings = {
        "AIRFLOW__ML__STORE": f"file://{home / 'artifacts'}",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
    }
    return {
        **{name: value for name, value in settings.items() if name not in os.environ},
        "AIRFLOW_HOME": str(home / "airflow"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
        # A URL, in which Airflow also replaces $NAME.
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{quote(str(home / 'airflow' / 'airflow.db'))}",
        "AIRFLOW__ML__RUNNER": "local",
        # Who runs a pipeline here is who wrote it: its stages get what this process has.
        "AIRFLOW__ML__STAGE_ENVIRONMENT": os.environ.get("AIRFLOW__ML__STAGE_ENVIRONMENT", "*"),
        "PYTHONUNBUFFERED": "1",
    }
