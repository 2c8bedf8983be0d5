"""Studies as processes of this machine, for tests: code with known minima, and what runs it."""

import contextlib
import logging

import psutil
import pytest

from airflow_ml_provider.artifacts.code_packing import pack_code
from airflow_ml_provider.artifacts.store import ArtifactStore
from airflow_ml_provider.decisions.search_space import algorithm, objectives, search_range, search_space
from airflow_ml_provider.protocol.request import StageRequest
from airflow_ml_provider.runners.local_runner import LocalRunner

CODE = """
import os, pathlib, sys, time

LOG = pathlib.Path(os.environ["TRIAL_LOG"])


def note(**told):
    with LOG.open("a") as file:
        print(told, file=file)


def bowl(data, model, *, x, shift=0.0):
    note(x=x, pid=os.getpid(), parent=os.getppid())
    model.write_text("weights")
    return {"loss": (x - 3) ** 2 + shift, "rows": len(data.read_text())}


def by_kind(*, kind, depth=None, rate=None):
    note(kind=kind, depth=depth, rate=rate)
    return {"loss": float(depth or rate)}


def two_aims(*, x):
    return {"loss": x * x, "cost": (x - 2) ** 2}


def nan(*, x):
    return {"loss": float("nan")}


def other_metric(*, x):
    note(x=x)
    return {"mae": 1.0}


def raises(*, x):
    note(x=x)
    raise ValueError(f"no x like {x:.3f}")


def fails_at_first(*, x):
    first = not LOG.exists()
    note(x=x)
    if first:
        raise ValueError("once")
    return {"loss": x}


def raises_over_five(*, x):
    note(x=x)
    if x > 5:
        raise ValueError("too much")
    return {"loss": x}


def crashes(*, x):
    os.kill(os.getpid(), 9)


def learns(*, x, report=None):
    for step in range(40):
        report(step, x)
        time.sleep(0.05)
    note(whole=x)
    return {"loss": x}


def slow(*, x):
    note(began=x)
    time.sleep(0.6)
    note(ended=x)
    return {"loss": x}


def kills_its_worker(*, x):
    first = not LOG.exists()
    note(x=x)
    if first:
        os.kill(os.getppid(), 9)
        time.sleep(60)
    return {"loss": x}


def steps(*, x, z=0.0, report=None):
    for step in range(4):
        report(step, x + step)
    return {"loss": x + z}


def loud(*, x):
    if x > 3:
        raise ValueError("rows that do not fit: " + "0.123456, " * 165_000)
    return {"loss": float(x)}


def unfit(*, x, y):
    return {"loss": x}
"""
X = {"x": {"float": [0.0, 10.0]}}


@pytest.fixture
def tune(tmp_path, monkeypatch, caplog):
    """Run a study; returns its result and the lines of its log."""
    caplog.set_level(logging.INFO)
    code = tmp_path / "mycode"
    code.mkdir()
    (code / "trials.py").write_text(CODE)
    (code / "off.py").write_text('import os\nprint("I am off", flush=True)\nos._exit(0)\n')
    monkeypatch.setenv("TRIAL_LOG", str(tmp_path / "trials"))
    store = ArtifactStore()
    root = f"file://{tmp_path}/store"
    (tmp_path / "data").write_text("1,2,3")
    data = store.put(tmp_path / "data", directory=f"{root}/in", output="data", artifact_type="dataset")
    archive = store.put_content(root, pack_code(code), suffix=".zip")

    def request(run, search=X, *, attempt="1.1", command=(), inputs=None, outputs=(), params=None, **options):
        study = {
            "search": search_space({name: search_range(found) for name, found in search.items()}),
            "objectives": objectives(options.pop("objective", {"metric": "loss", "direction": "minimize"})),
            "sampler": algorithm(options.pop("sampler", "TPESampler"), of="sampler"),
            "pruner": algorithm(options.pop("pruner", "NopPruner"), of="pruner"),
            "trials": 8,
            "workers": 2,
            "budget": None,
            "max_failed_trials": 0,
            "seed": 7,
            "outputs": dict.fromkeys(outputs, "model"),
        }
        return StageRequest(
            kind="tune",
            pipeline="p",
            stage="tune",
            dag_run="r",
            attempt=attempt,
            attempt_uri=f"{root}/p/r/tune/-1/{attempt}",
            run=None if run is None else f"mycode.{run if ':' in run else f'trials:{run}'}",
            command=command,
            body="tune",
            params=params or {},
            options={**study, **options},
            inputs={"data": data} if inputs is None else inputs,
            outputs={"report": "report"},
            code=archive,
        )

    def tuned(*arguments, **options):
        runner = LocalRunner(logging.getLogger("stage"), passed=["TRIAL_*"])
        made = request(*arguments, **options)
        before = len(caplog.records)
        _, result = runner.run(made, secrets={})
        return result, [record.getMessage() for record in caplog.records[before:] if record.name == "stage"]

    tuned.request = request
    return tuned


def processes_of(request):
    """Return the processes that work on a request; a fork has its parent's environment."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if request.attempt_uri in process.environ().get("AIRFLOW_ML_REQUEST", ""):
                found.append(process)
    return found


@pytest.fixture
def trials(tmp_path):
    """What the trials noted."""
    return lambda: [eval(line) for line in (tmp_path / "trials").read_text().splitlines()]
