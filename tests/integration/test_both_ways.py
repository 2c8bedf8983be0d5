"""A pipeline runs by the core as it runs in an Airflow: the same requests, results, states and MLflow runs."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

STEADY = ("file", "dataset", "directory")
"""Types whose content is the same in two runs; a report and a model say when they were made."""
ROOT = Path(__file__).parents[2]
AIRFLOW_ML = str(Path(sys.executable).parent / "airflow-ml")
STEPS = """\
from pathlib import Path


def make(data: Path, *, rows: int = 3, day: str = "", note=None, both: list = ()):
    data.write_text("x\\n" + "1\\n" * rows)
    return {"rows": rows, "noted": float(note is None), "both": float(sum(both))}


def fails(data: Path):
    raise ValueError("no")


def reads(data: Path, out: Path):
    text = "".join(file.read_text() for file in ([data] if data.is_file() else sorted(data.iterdir())))
    out.write_text(text)
    return {"length": len(text)}
"""
PIPELINES = {
    "templates": """\
pipeline: templates
code: steps
tracking: false
params: {rows: 5, nothing: null, some: [1, 2]}
stages:
  make:
    kind: container
    run: steps.make:make
    outputs: {data: file}
    params:
      rows: "{{ params.rows }}"
      day: "{{ macros.ds_add('2024-05-01', 2) }} {{ logical_date | ds is string }} {{ var.value.get('town', 'Bonn') }}"
      note: "{{ params.nothing }}"
      both: "{{ params.some }}"
  read: {kind: container, run: "steps.make:reads", inputs: {data: make.data}, outputs: {out: file}}
""",
    "failing": """\
pipeline: failing
code: steps
tracking: {}
stages:
  make: {kind: container, run: "steps.make:make", outputs: {data: file}}
  fails: {kind: container, run: "steps.make:fails", inputs: {data: make.data}}
  after: {kind: container, run: "steps.make:make", outputs: {data: file}, needs: [fails]}
  aside: {kind: container, run: "steps.make:reads", inputs: {data: make.data}, outputs: {out: file}}
""",
    "branching": """\
pipeline: branching
code: steps
tracking: false
stages:
  make: {kind: container, run: "steps.make:make", outputs: {data: file}}
  judge:
    kind: evaluate
    run: steps.make:reads
    inputs: {data: make.data}
    outputs: {out: file}
    gate: {length: "> 1000"}
    on_failure: branch
    if_failed: [sorry]
  good: {kind: container, run: "steps.make:make", outputs: {data: file}, needs: [judge]}
  better: {kind: container, run: "steps.make:reads", inputs: {data: good.data}, outputs: {out: file}}
  sorry: {kind: container, run: "steps.make:make", outputs: {data: file}, needs: [judge]}
""",
    "arrived": """\
pipeline: arrived
code: steps
tracking: false
sources: {days: {uri: "days/*.csv", settle: 0s}}
stages:
  read: {kind: container, run: "steps.make:reads", inputs: {data: sources.days}, outputs: {out: file}}
""",
    "late": """\
pipeline: late
tracking: false
stages:
  sleep: {kind: container, command: [sleep, "60"], timeout: 1s}
  after: {kind: container, command: ["true"], needs: [sleep]}
""",
}


def written(name, folder):
    """Write a pipeline of the table."""
    (folder / "steps").mkdir(parents=True)
    (folder / "steps" / "__init__.py").touch()
    (folder / "steps" / "make.py").write_text(STEPS)
    (folder / "days").mkdir()
    (folder / "days" / "1.csv").write_text("x\n1\n")
    (folder / "pipeline.yaml").write_text(PIPELINES[name])


def copied(name, folder):
    """Copy an example."""
    source = ROOT / "example_dags" / name
    if source.is_dir():
        shutil.copytree(source, folder)
        return
    folder.mkdir()
    shutil.copy(source, folder / "pipeline.yaml")
    shutil.copytree(ROOT / "example_dags" / "flight_delays", folder / "flight_delays")


@pytest.fixture
def ran(tmp_path, mlflow_server, mlflow):
    """Run a pipeline one way; return what is to be the same, in an experiment of its own."""

    def run(way, make, name, *arguments, patches=()):
        folder = tmp_path / way / name.removesuffix(".yaml")
        folder.parent.mkdir()
        make(name, folder)
        file = folder / "pipeline.yaml"
        text = file.read_text()
        for before, after in patches:
            assert before in text
            text = text.replace(before, after)
        experiment = f"{name}-{way}-{tmp_path.name}"
        tracked = "tracking: false" not in text
        if tracked:
            text = re.sub(r"^tracking: .*\n", "", text, flags=re.MULTILINE)
            text += f"\ntracking: {{experiment: {experiment}}}\n"
        file.write_text(text)
        done = subprocess.run(
            [AIRFLOW_ML, "run", str(file), "--json", *arguments, *(["--airflow"] if way == "airflow" else [])],
            cwd=folder,
            env={
                **os.environ,
                "AIRFLOW_CONN_MLFLOW_DEFAULT": json.dumps({"conn_type": "mlflow", "host": mlflow_server.uri}),
            },
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.stdout, done.stderr
        outcome = json.loads(done.stdout)
        artifacts = folder / ".airflow-ml" / "artifacts"
        return {
            "code": done.returncode,
            "state": outcome["state"],
            "stages": {stage: _same(found) for stage, found in outcome["stages"].items()},
            "attempts": _attempts(artifacts),
            "mlflow": _mlflow(mlflow, experiment, artifacts) if tracked else {},
        }

    return run


def _same(found):
    """Return what of a stage's outcome does not depend on the run."""
    outputs = {
        name: value if name == "gate" else _content(name, value)
        for name, value in found["outputs"].items()
        if isinstance(value, dict)
    }
    message = found.get("message", "").partition("\n")[0]
    cache = re.sub(r"run \S+", "run R", found.get("cache", ""))
    return {
        "state": found["state"],
        "metrics": found["metrics"],
        "outputs": outputs,
        "message": message,
        "cache": cache,
    }


def _content(name, value):
    # A manifest names the files, which are in another folder.
    return value["digest"] if value.get("type") in STEADY and name != "manifest" else sorted(value)


def _attempts(artifacts):
    """Return what the store says of each attempt: what ran, with which code and inputs."""
    found = {}
    for path in artifacts.glob("*/*/*/*/*/_attempt.json"):
        about = json.loads(path.read_text())
        inputs = {name: _content(name, ref) for name, ref in about["inputs"].items()}
        kept = {key: about[key] for key in ("attempt", "kind", "pipeline", "stage", "run", "code", "image")}
        found[about["stage"]] = {**kept, "inputs": inputs}
    return found


def _mlflow(mlflow, experiment, artifacts):
    (run,) = {json.loads(path.read_text())["dag_run"] for path in artifacts.glob("*/*/*/*/*/_attempt.json")}
    return {
        role: {
            re.sub(r"manual__\S+", "RUN", name): (
                found.status,
                found.params,
                {key: value for key, value in found.metrics.items() if not key.startswith("system/")},
                sorted(found.tags),
                found.tags.get("airflow_ml.failure"),
            )
            for name, found in runs.items()
        }
        for role, runs in mlflow.runs(experiment, run).items()
    }


def _require_same(here, there):
    flat = [dict(_flat(outcome)) for outcome in (here, there)]
    keys = {key for outcome in flat for key in outcome}
    differing = {key: (flat[0].get(key), flat[1].get(key)) for key in keys if flat[0].get(key) != flat[1].get(key)}
    assert not differing


def _flat(value, place=()):
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _flat(item, (*place, key))
    else:
        yield ".".join(map(str, place)), value


@pytest.mark.parametrize("name", PIPELINES)
def test_a_pipeline_ends_in_the_same_way(ran, name):
    here, there = ran("core", written, name), ran("airflow", written, name)

    _require_same(here, there)
    assert here["attempts"]


@pytest.mark.parametrize(
    ("name", "arguments", "patches"),
    [
        pytest.param("flight_delays", (), [("name: flight_delays", "name: flight_delays_MODEL")], id="flight_delays"),
        pytest.param("flight_watch.yaml", (), [], id="flight_watch"),
        pytest.param(
            "flight_loop.yaml",
            [f"--stage={name}" for name in ("ingest", "check", "features", "tune", "train")],
            [("trials: 6", "trials: 2"), ("workers: 2", "workers: 1")],
            id="flight_loop",
        ),
    ],
)
def test_an_example_ends_in_the_same_way(ran, tmp_path, name, arguments, patches):
    ways = {}
    for way in ("core", "airflow"):
        own = [(before, after.replace("MODEL", f"{way}_{tmp_path.name}")) for before, after in patches]
        ways[way] = ran(way, copied, name, *arguments, patches=own)

    _require_same(ways["core"], ways["airflow"])
    assert ways["core"]["state"] == "success"
    assert ways["core"]["mlflow"]["pipeline"]
