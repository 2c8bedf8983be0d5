"""What ``airflow-ml run`` does beyond a run from beginning to end: resume, questions, several stages at once."""

import json
import os
import pty
import select
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest

AIRFLOW_ML = str(Path(sys.executable).parent / "airflow-ml")
CTRL_C = b"\x03"
STEPS = """\
import os
import time
from pathlib import Path


def make(data: Path):
    data.write_text("1")


def counts(data: Path, checkpoints: Path):
    step = checkpoints / "step"
    seen = int(step.read_text()) if step.is_file() else 0
    step.write_text(str(seen + 1))
    if Path(os.environ["BROKEN"]).exists():
        raise ValueError("broken")
    return {"seen": seen}


def meets(data: Path, *, me: str, other: str):
    here = Path(os.environ["MEETING"])
    (here / me).touch()
    until = time.monotonic() + 60
    while not (here / other).exists():
        if time.monotonic() > until:
            raise TimeoutError("the other never came")
        time.sleep(0.05)


def measures(data: Path, *, more: int = 0):
    return {"rmse": 1 + more}


def tells():
    raise ValueError(os.environ["MLFLOW_TRACKING_PASSWORD"])


def model(model: Path):
    model.mkdir()
    (model / "weights").write_text("7")
"""
LOADER = """\
from pathlib import Path


class Model:
    def __init__(self, path):
        self.weight = int((Path(path) / "weights").read_text())

    def predict(self, data):
        return [self.weight for _ in range(len(data))]


def _load_pyfunc(path):
    return Model(path)
"""


@pytest.fixture
def pipeline(tmp_path, mlflow_server):
    """Write a pipeline ``p``; returns what runs it and returns exit code, outcome by stage and stderr."""
    (tmp_path / "steps").mkdir()
    (tmp_path / "steps" / "__init__.py").touch()
    (tmp_path / "steps" / "stages.py").write_text(STEPS)
    (tmp_path / "steps" / "loader.py").write_text(LOADER)
    environment = {
        **os.environ,
        "BROKEN": str(tmp_path / "broken"),
        "MEETING": str(tmp_path),
        "AIRFLOW_CONN_MLFLOW_DEFAULT": json.dumps({"conn_type": "mlflow", "host": mlflow_server.uri}),
    }

    def written(text):
        (tmp_path / "p.yaml").write_text(f"pipeline: p\ncode: steps\n{text}")

        def run(*arguments):
            done = subprocess.run(
                [AIRFLOW_ML, "run", "p.yaml", "--json", *arguments],
                cwd=tmp_path,
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
            return done.returncode, json.loads(done.stdout)["stages"] if done.stdout else {}, done.stderr

        run.environment = environment
        run.folder = tmp_path
        return run

    return written


RESUMED = """\
tracking: false
stages:
  make: {kind: container, run: "steps.stages:make", outputs: {data: file}}
  count:
    kind: container
    run: steps.stages:counts
    inputs: {data: make.data}
    checkpoints: 1h
  after: {kind: container, command: ["true"], needs: [count]}
"""


def test_resume_goes_on_from_the_stage_that_failed_and_from_its_checkpoint(pipeline):
    run = pipeline(RESUMED)
    nothing = run("--resume")
    assert (nothing[0], "there is none of this pipeline" in nothing[2]) == (2, True)
    (run.folder / "broken").touch()
    code, stages, _ = run()
    assert (code, {name: found["state"] for name, found in stages.items()}) == (
        1,
        {"make": "success", "count": "failed", "after": "upstream_failed"},
    )
    (run.folder / "broken").unlink()
    code, stages, _ = run("--resume")
    assert (code, {name: found["state"] for name, found in stages.items()}) == (
        0,
        {"count": "success", "after": "success"},
    )
    assert stages["count"]["metrics"] == {"seen": 1.0}
    runs = list((run.folder / ".airflow-ml" / "artifacts" / "p").glob("manual__*"))
    assert len(runs) == 1, "it is the same run"
    over = run("--resume")
    assert (over[0], "succeeded: there is nothing to go on with" in over[2]) == (2, True)
    both = run("--resume", "--from", "count")
    assert (both[0], "give one of them" in both[2]) == (2, True)


BRANCHING = """\
tracking: false
params: {more: 0}
stages:
  make: {kind: container, run: "steps.stages:make", outputs: {data: file}}
  check:
    kind: evaluate
    run: steps.stages:measures
    inputs: {data: make.data}
    params: {more: "{{ params.more }}"}
    gate: {rmse: "< 1"}
    on_failure: branch
    if_failed: [alert]
  publish: {kind: container, run: "steps.stages:make", outputs: {data: file}, needs: [check]}
  alert: {kind: container, run: "steps.stages:counts", inputs: {data: make.data}, checkpoints: 1h, needs: [check]}
"""


def test_what_a_branch_skipped_stays_skipped_when_the_run_goes_on(pipeline):
    run = pipeline(BRANCHING)
    (run.folder / "broken").touch()
    code, stages, _ = run("--param", "more=4")
    assert (code, stages["publish"]["state"], stages["alert"]["state"]) == (1, "skipped", "failed")
    assert stages["check"]["metrics"] == {"rmse": 5.0}
    (run.folder / "broken").unlink()
    refused = run("--resume", "--param", "more=0")
    assert (refused[0], "leave out --param and --env" in refused[2]) == (2, True)
    code, stages, said = run("--resume")
    assert code == 0, said
    assert {name: found["state"] for name, found in stages.items()} == {"publish": "skipped", "alert": "success"}


def test_a_run_of_one_stage_is_not_gone_on_with_by_others(pipeline):
    run = pipeline(RESUMED)
    (run.folder / "broken").touch()
    assert run()[0] == 1
    assert run("--stage", "make")[0] == 0
    over = run("--resume")
    assert (over[0], "there is nothing to go on with" in over[2]) == (2, True)


def test_passwords_are_masked_in_the_log_and_in_messages(pipeline):
    run = pipeline("stages: {a: {kind: container, run: 'steps.stages:tells'}}\n")
    known = json.loads(run.environment["AIRFLOW_CONN_MLFLOW_DEFAULT"])
    run.environment["AIRFLOW_CONN_MLFLOW_DEFAULT"] = json.dumps({**known, "login": "ann", "password": "geheim42"})
    code, stages, said = run()
    assert code == 1
    (log,) = (run.folder / ".airflow-ml" / "logs").glob("*.log")
    assert "***" in stages["a"]["message"]
    for text in (log.read_text(), json.dumps(stages), said):
        assert "geheim42" not in text
    assert "[a] Traceback" in log.read_text(), "each line has its stage"


def test_stages_that_do_not_wait_for_each_other_run_at_once(pipeline):
    meet = '{{kind: container, run: "steps.stages:meets", inputs: {{data: make.data}}, params: {{me: {}, other: {}}}}}'
    run = pipeline(
        "tracking: false\nstages:\n"
        '  make: {kind: container, run: "steps.stages:make", outputs: {data: file}}\n'
        f"  a: {meet.format('a', 'b')}\n  b: {meet.format('b', 'a')}\n"
    )
    code, stages, said = run("--parallel", "2")
    assert code == 0, said
    assert {found["state"] for found in stages.values()} == {"success"}


ASKING = """\
stages:
  train: {{kind: train, run: "steps.stages:model", outputs: {{model: directory}}}}
  register: {{kind: register, model: train.model, name: {name}, loader: steps.loader}}
  approve: {{kind: approve, model: register.model}}
  after: {{kind: container, command: ["true"], needs: [approve]}}
"""


@pytest.fixture
def asking(pipeline):
    name = f"asked_{uuid.uuid4().hex[:8]}"
    run = pipeline(ASKING.format(name=name))
    run.model = name
    return run


def test_nobody_is_asked_where_nobody_is_there(asking):
    code, stages, said = asking()
    assert (code, stages) == (2, {})
    assert "stage 'approve' asks a person: run in a terminal, or answer before with --yes or --reject approve" in said


def test_yes_makes_a_version_champion_and_no_skips_what_follows(asking, mlflow):
    code, stages, said = asking("--reject", "approve")
    assert code == 0, said
    assert [stages[name]["state"] for name in ("approve", "after")] == ["skipped", "skipped"]
    assert mlflow.aliases(asking.model) == {"challenger": "1"}
    code, stages, said = asking("--yes")
    assert code == 0, said
    assert [stages[name]["state"] for name in ("approve", "after")] == ["success", "success"]
    assert mlflow.aliases(asking.model) == {"champion": "1"}
    tags = {tag["key"]: tag["value"] for tag in mlflow.versions(asking.model)[0]["tags"]}
    assert tags["airflow_ml.approval"] == "approved"


@pytest.mark.parametrize(("typed", "codes", "alias"), [(b"y\n", (0,), "champion"), (CTRL_C, (1, 130), "challenger")])
def test_a_person_is_asked_at_the_terminal(asking, mlflow, typed, codes, alias):
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        ["setsid", "--ctty", "env", "--default-signal=INT", AIRFLOW_ML, "run", "p.yaml"],
        cwd=asking.folder,
        env={**asking.environment, "TERM": "xterm", "COLUMNS": "200"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    seen, pressed = b"", None
    deadline = time.monotonic() + 120
    try:
        while time.monotonic() < deadline:
            if b"become champion? [y/N]:" in seen and pressed is None:
                os.write(ours, typed)
                pressed = time.monotonic()
            # Python's input() misses a Ctrl-C that comes just before it waits; a person presses it again.
            elif pressed and typed == CTRL_C and time.monotonic() > pressed + 2:
                pressed = None
            if select.select([ours], [], [], 0.5)[0]:
                try:
                    seen += os.read(ours, 4096)
                except OSError:  # The other end is closed.
                    break
        assert process.wait(60) in codes, seen.decode(errors="replace")
    finally:
        process.kill()
        os.close(ours)
    assert f"Shall {asking.model} version 1".encode() in seen
    assert mlflow.aliases(asking.model) == {alias: "1"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "tracking: false\n"
            "sources: {rows: {sql: 'select id, at from t', watermark: at, key: [id], connection: warehouse}}\n"
            "stages: {a: {kind: container, run: 'steps.stages:counts', inputs: {data: sources.rows}, "
            "checkpoints: 1h}}\n",
            "source 'rows': sql is read through a connection of Airflow: run with --airflow",
        ),
        (
            "tracking: false\nstages: {a: {kind: container, command: ['echo', '{{ dag_run.triggered_by }}']}}\n",
            "if it asks for what only Airflow knows, run with --airflow",
        ),
    ],
)
def test_what_needs_airflow_says_so(pipeline, text, says):
    code, stages, said = pipeline(text)()
    assert code in (1, 2)
    assert says in said + json.dumps(stages)
