"""The runtime as its operators start it: a process, a request in the environment, a result in the store."""

import json
import os
import signal
import textwrap
import time

import psutil
import pytest

from airflow_ml_provider.artifacts.code_packing import pack_code
from airflow_ml_provider.artifacts.objects import read_object
from airflow_ml_provider.artifacts.store import ArtifactStore
from tests.live.attempts import Attempts

CODE = """
import os, sys, time, math
from pathlib import Path

def good(data: Path, model: Path, *, factor: int = 2):
    model.write_text(data.read_text() * factor)
    return {"size": model.stat().st_size}

def raises(data, model):
    helper()

def helper():
    raise ValueError("the third column\\nis odd")

def tells(data, model):
    password = os.environ["MLFLOW_TRACKING_PASSWORD"]
    raise ConnectionError(f"API request to http://ada:{password}@mlflow/api and http://ada:other-one@mlflow/ failed")

def leaves(data, model):
    sys.exit(0)

def crashes(data, model):
    os._exit(7)

def forgets(data, model):
    return {}

def empty_folder(data, model):
    model.mkdir()

def links(data, model):
    model.symlink_to("/etc/passwd")

def broken_import(data, model):
    pass

def sleeps(data, model):
    print("asleep", os.getpid(), flush=True)
    time.sleep(600)
"""


@pytest.fixture
def attempts(tmp_path):
    return Attempts(tmp_path)


def test_a_function_runs_and_its_output_is_committed(attempts):
    code = attempts.code(CODE)
    exit_code, result, _ = attempts.run(run="mycode.stages:good", code=code, params={"factor": "3"})
    assert exit_code == 0
    assert result.metrics == {"size": 6.0}
    assert ArtifactStore().find(result.outputs["model"].uri) == result.outputs["model"]
    assert read_object(result.outputs["model"].uri) == b"ababab"


def test_a_stage_works_on_s3_alone(tmp_path, s3_store):
    attempts = Attempts(tmp_path, s3_store)
    exit_code, result, errors = attempts.run(run="mycode.stages:good", code=attempts.code(CODE))
    assert exit_code == 0, errors
    assert result.outputs["model"].uri.startswith(s3_store)
    assert read_object(result.outputs["model"].uri) == b"abab"
    options = {"uri": f"{s3_store}/in/dat*"}
    exit_code, result, errors = attempts.run(body="ingest", inputs={}, outputs={"data": "dataset"}, options=options)
    assert exit_code == 0, errors
    assert result.metrics == {"files": 1.0, "bytes": 2.0}


@pytest.mark.parametrize(
    ("function", "exit_code", "category", "message"),
    [
        ("raises", 1, "user_code", "running mycode.stages:raises: ValueError: the third column"),
        ("leaves", 1, "user_code", "the code called sys.exit(0) instead of returning"),
        ("forgets", 4, "contract", "output 'model' was not written"),
        ("empty_folder", 4, "contract", "output 'model' is a folder without a file"),
        ("links", 4, "contract", "an output cannot be stored: model: is a symbolic link"),
        ("godo", 4, "contract", "has no function 'godo'; it has"),
    ],
)
def test_a_failure_has_a_category_and_a_message_and_commits_nothing(attempts, function, exit_code, category, message):
    found, result, _ = attempts.run(run=f"mycode.stages:{function}", code=attempts.code(CODE))
    assert (found, result.failure.category) == (exit_code, category)
    assert message in result.failure.message
    assert result.outputs == {}
    assert not list((attempts.folder / "store" / "attempts").rglob("_commits"))


def test_a_users_traceback_shows_the_users_frames_only(attempts):
    _, result, errors = attempts.run(run="mycode.stages:raises", code=attempts.code(CODE))
    assert "in helper" in result.failure.traceback
    assert "ValueError: the third column" in errors
    assert "airflow_ml_provider" not in result.failure.traceback
    assert result.failure.type == "builtins.ValueError"


def test_secrets_of_the_process_are_in_no_failure(attempts, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "open-sesame")
    _, result, errors = attempts.run(run="mycode.stages:tells", code=attempts.code(CODE))
    told = result.to_json() + errors
    assert "API request to http://ada:***@mlflow/api and http://ada:***@mlflow/ failed" in result.failure.message
    assert "open-sesame" not in told
    monkeypatch.setenv("HF_HUB_DISABLE_IMPLICIT_TOKEN", "true")
    monkeypatch.setenv("OTHER_TOKEN", "help")
    _, result, _ = attempts.run(run="mycode.stages:raises", code=attempts.code(CODE))
    assert "in helper" in result.failure.traceback, "a part of a word is not a secret"
    assert "other-one@" not in told


@pytest.mark.parametrize(
    ("text", "target", "category", "message"),
    [
        ("", "mycode.nope:f", "contract", "there is no module 'mycode.nope'"),
        (
            "import nothing_like_it",
            "mycode.stages:f",
            "user_code",
            "ModuleNotFoundError: No module named 'nothing_like",
        ),
        ("def f(:", "mycode.stages:f", "user_code", "importing mycode.stages: SyntaxError"),
        ("f = 1", "mycode.stages:f", "contract", "has no function 'f'"),
        ("def f(data): pass", "mycode.stages:f", "contract", "output 'model' is not an argument"),
    ],
)
def test_code_that_cannot_be_called_says_why(attempts, text, target, category, message):
    _, result, _ = attempts.run(run=target, code=attempts.code(text))
    assert result.failure.category == category
    assert message in result.failure.message


def test_a_process_that_dies_leaves_no_result(attempts):
    exit_code, result, _ = attempts.run(run="mycode.stages:crashes", code=attempts.code(CODE))
    assert (exit_code, result) == (7, None)


def test_a_command_in_another_language_speaks_through_files_and_environment(attempts):
    script = """\
    set -e
    cat "$AIRFLOW_ML_INPUT_DATA" "$AIRFLOW_ML_INPUT_DATA" > "$AIRFLOW_ML_OUTPUT_MODEL"
    echo "params: $AIRFLOW_ML_PARAMS"
    echo '{"metrics": {"size": 4}}' > "$AIRFLOW_ML_RESULT"
    """
    package = attempts.folder / "shell"
    package.mkdir()
    (package / "stage.sh").write_text(textwrap.dedent(script))
    code = ArtifactStore().put_content(attempts.store, pack_code(package), suffix=".zip")
    exit_code, result, _ = attempts.run(command=("sh", "stage.sh"), code=code, params={"depth": 2})
    assert exit_code == 0
    assert result.metrics == {"size": 4.0}
    assert read_object(result.outputs["model"].uri) == b"abab"


@pytest.mark.parametrize(
    ("command", "category", "message"),
    [
        (("sh", "-c", "exit 3"), "user_code", "command 'sh' ended with exit code 3"),
        (("sh", "-c", "kill -9 $$"), "user_code", "command 'sh' was killed by SIGKILL"),
        (("sh", "-c", "kill -40 $$"), "user_code", "command 'sh' was killed by signal 40"),
        (("no-such-program",), "contract", "command 'no-such-program' cannot be started"),
        (("sh", "-c", "echo hi > $AIRFLOW_ML_RESULT"), "contract", "is not JSON"),
        (("sh", "-c", "echo '{\"rmse\": 1}' > $AIRFLOW_ML_RESULT"), "contract", "must be an object like"),
        (("true",), "contract", "output 'model' was not written"),
    ],
)
def test_a_command_that_fails_says_why(attempts, command, category, message):
    _, result, _ = attempts.run(command=command)
    assert result.failure.category == category
    assert message in result.failure.message


def test_ingest_copies_what_a_pattern_matches(attempts):
    raw = attempts.folder / "raw"
    for name in ("2013/01/a.csv", "2013/02/b.csv", "2013/02/c.txt"):
        (raw / name).parent.mkdir(parents=True, exist_ok=True)
        (raw / name).write_text("x\n1\n")
    outputs = {"data": "dataset"}
    options = {"uri": f"file://{raw}/**/*.csv"}
    exit_code, result, _ = attempts.run(body="ingest", inputs={}, outputs=outputs, options=options)
    assert exit_code == 0
    assert result.metrics == {"files": 2.0, "bytes": 8.0}
    record = json.loads(read_object(f"{result.outputs['data'].uri.rpartition('/')[0]}/_commits/data.json"))
    assert [entry["path"] for entry in record["files"]] == ["01/a.csv", "02/b.csv"]


@pytest.mark.parametrize(
    ("pattern", "message"), [("*.parquet", "no file matches file://"), ("*.csv", "empty.csv is empty (0 bytes)")]
)
def test_ingest_refuses_nothing_and_empty_files(attempts, pattern, message):
    (attempts.folder / "empty.csv").touch()
    options = {"uri": f"file://{attempts.folder}/{pattern}"}
    exit_code, result, _ = attempts.run(body="ingest", inputs={}, outputs={"data": "dataset"}, options=options)
    assert exit_code == 3
    assert message in result.failure.message


def test_a_stage_dies_with_its_worker(attempts):
    """The worker holds the write end of a pipe; when it dies, however it dies, the pipe closes."""
    read_end, write_end = os.pipe()
    request = attempts.request(run="mycode.stages:sleeps", code=attempts.code(CODE))
    process = attempts.start(
        request, environment={"AIRFLOW_ML_LIFELINE": str(read_end)}, pass_fds=(read_end,), start_new_session=True
    )
    os.close(read_end)
    assert process.stdout.readline().startswith("asleep")
    os.close(write_end)
    started = time.monotonic()
    assert process.wait(timeout=10) == -signal.SIGKILL
    assert time.monotonic() - started < 5
    process.communicate()


def test_a_command_dies_with_the_worker_even_when_the_runtime_is_killed_first(attempts):
    read_end, write_end = os.pipe()
    request = attempts.request(command=("sh", "-c", "echo asleep $$; exec sleep 600"))
    process = attempts.start(
        request, environment={"AIRFLOW_ML_LIFELINE": str(read_end)}, pass_fds=(read_end,), start_new_session=True
    )
    os.close(read_end)
    command = psutil.Process(int(process.stdout.readline().split()[1]))
    process.kill()
    process.wait()
    os.close(write_end)
    deadline = time.monotonic() + 10
    while command.is_running() and command.status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, "the command outlived its worker"
        os.sched_yield()
    process.communicate()


def test_an_exception_with_a_message_of_a_megabyte_still_gives_a_result(attempts):
    code = attempts.code("def f(data, model):\n    raise ValueError('x' * 1_000_000)")
    _, result, _ = attempts.run(run="mycode.stages:f", code=code)
    assert result.failure.category == "user_code"
    assert len(result.failure.message) == 4000


def test_a_changed_input_stops_the_stage_before_the_users_code(attempts):
    path = attempts.data.uri.removeprefix("file://")
    with open(path, "a") as file:  # noqa: PTH123
        file.write("c")
    exit_code, result, _ = attempts.run(run="mycode.stages:good", code=attempts.code(CODE))
    assert (exit_code, result.failure.category) == (5, "store")
    assert "was changed after its commit" in result.failure.message
