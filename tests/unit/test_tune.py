"""A study and its workers, as processes: Optuna, the store and the workers are real."""

import contextlib
import json
import logging
import signal
import threading
from pathlib import Path

import optuna
import psutil
import pytest

from airflow_ml_provider.artifacts.code import pack_code
from airflow_ml_provider.artifacts.store import ArtifactStore
from airflow_ml_provider.decisions.search_space import algorithm, objectives, search_range, search_space
from airflow_ml_provider.protocol.request import StageRequest
from airflow_ml_provider.runners.local_runner import LocalRunner
from airflow_ml_provider.testing.airflow_api import wait_until

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
        runner = LocalRunner(logging.getLogger("stage"))
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


def test_the_best_of_the_trials_is_found_by_warm_workers(tune, trials, tmp_path):
    result, log = tune("bowl", inputs=None, outputs=("model",), trials=24, params={"shift": 1.0})
    assert result.failure is None, (result.failure, log)
    assert result.values["best_params"].keys() == {"x"}
    assert abs(result.values["best_params"]["x"] - 3) < 1
    assert result.metrics["loss"] == pytest.approx((result.values["best_params"]["x"] - 3) ** 2 + 1)
    assert (result.metrics["trials_complete"], result.metrics["rows"]) == (24, 5)
    noted = trials()
    assert len(noted) == 24
    assert len({told["parent"] for told in noted}) == 2
    assert len({told["pid"] for told in noted}) == 24
    assert len([line for line in log if line.startswith("[24/24]")]) == 1
    report = tmp_path / "page"
    ArtifactStore().fetch(result.outputs["report"], report)
    page = (report / "index.html").read_text()
    assert page.count('class="plotly-graph-div"') == 3
    assert "http" not in page.split("<script", 1)[0]
    assert len((report / "trials.csv").read_text().splitlines()) == 25
    assert json.loads((report / "best.json").read_text())["params"] == result.values["best_params"]


def test_a_param_with_a_condition_is_there_only_where_it_holds(tune, trials):
    search = {
        "kind": {"categorical": ["tree", "line"]},
        "depth": {"int": [1, 9], "step": 2, "when": {"kind": "tree"}},
        "rate": {"float": [0.01, 1.0], "log": True, "when": {"kind": ["line"]}},
    }
    result, log = tune("by_kind", search, inputs={}, trials=12, sampler="RandomSampler")
    assert result.failure is None, log
    kinds = {"tree": [], "line": []}
    for told in trials():
        kinds[told["kind"]].append(told)
    assert all(told["rate"] is None and told["depth"] % 2 == 1 for told in kinds["tree"])
    assert all(told["depth"] is None and 0.01 <= told["rate"] <= 1 for told in kinds["line"])
    assert min(map(len, kinds.values())) > 0


def test_several_objectives_give_the_best_of_the_front(tune):
    aims = [{"metric": "loss", "direction": "minimize"}, {"metric": "cost", "direction": "minimize"}]
    result, log = tune("two_aims", inputs={}, objective=aims, trials=10, sampler="RandomSampler")
    assert result.failure is None, log
    assert result.metrics["loss"] == pytest.approx(result.values["best_params"]["x"] ** 2)


def test_a_command_in_any_language_is_tried_with_its_params_in_the_environment(tune):
    script = (
        'x=$(echo "$AIRFLOW_ML_PARAMS" | sed "s/.*\\"x\\": //; s/[,}].*//"); echo "0 $x" >> "$AIRFLOW_ML_REPORT"; '
        'echo "{\\"metrics\\": {\\"loss\\": $x}}" > "$AIRFLOW_ML_RESULT"'
    )
    result, log = tune(None, command=("sh", "-c", script), inputs={}, trials=4)
    assert result.failure is None, log
    assert result.metrics["loss"] == pytest.approx(result.values["best_params"]["x"])


@pytest.mark.parametrize(
    ("run", "options", "category", "says"),
    [
        (
            "raises",
            {"max_failed_trials": 2},
            "user_code",
            "3 trials failed, 2 may (max_failed_trials); the last, trial",
        ),
        ("raises", {"trials": 2, "max_failed_trials": 9}, "user_code", "none of 2 trials was completed; the last"),
        ("nan", {}, "user_code", "metric 'loss' is NaN, not a number to compare"),
        ("other_metric", {"max_failed_trials": 9}, "contract", "objective: no metric 'loss'; the code gave mae"),
        ("crashes", {}, "user_code", "the trial's process was killed by SIGKILL"),
        ("unfit", {}, "contract", "argument 'y' has no default"),
        ("nowhere", {}, "contract", "has no function 'nowhere'"),
        ("two_aims", {"sampler": "TreeSampler"}, "contract", "Optuna has no sampler 'TreeSampler'; it has"),
        ("two_aims", {"pruner": {"MedianPruner": {"depth": 1}}}, "contract", "pruner MedianPruner cannot be made"),
    ],
)
def test_a_study_that_cannot_succeed_says_why(tune, run, options, category, says):
    result, log = tune(run, inputs={}, **options)
    assert result.failure is not None
    assert (result.failure.category, says in result.failure.message) == (category, True), (result.failure, log)


def test_a_failed_trial_within_the_budget_is_told_and_the_study_goes_on(tune, trials):
    result, log = tune("fails_at_first", inputs={}, trials=4, workers=1, max_failed_trials=1)
    assert result.failure is None, log
    assert (result.metrics["trials_complete"], result.metrics["trials_failed"], len(trials())) == (3, 1, 4)
    assert any("ValueError: once" in line for line in log)


def test_a_trial_that_reports_badly_is_stopped(tune, trials):
    pruner = {"ThresholdPruner": {"upper": 5.0}}
    result, log = tune("learns", inputs={}, trials=6, pruner=pruner, sampler="RandomSampler")
    assert result.failure is None, log
    whole = [told["whole"] for told in trials()]
    assert result.metrics["trials_pruned"] == 6 - len(whole) > 0
    assert max(whole) <= 5


def test_the_trial_of_a_killed_worker_is_tried_again(tune, trials):
    result, log = tune("kills_its_worker", inputs={}, trials=3, workers=1)
    assert result.failure is None, log
    tried = [told["x"] for told in trials()]
    assert len(tried) == 4
    assert tried.count(tried[0]) == 2
    assert any("its worker died with exit code -9" in line for line in log)


def test_no_trial_begins_after_the_time_budget(tune, trials):
    result, log = tune("slow", inputs={}, trials=100, workers=1, budget=2.0)
    assert result.failure is None, log
    assert 1 <= result.metrics["trials_complete"] < 8
    assert len([told for told in trials() if "began" in told]) == result.metrics["trials_complete"]


def test_a_study_that_is_begun_again_repeats_no_finished_trial(tune, trials):
    runner = LocalRunner(logging.getLogger("stage"))
    request = tune.request("slow", inputs={}, trials=6, workers=1)
    thread = threading.Thread(target=runner.run, args=(request,), kwargs={"secrets": {}})
    thread.start()
    records = Path(request.attempt_uri.removeprefix("file://"), "_trials")
    wait_until(lambda: records.is_dir() and len(list(records.glob("*.json"))) >= 2, what="two trials", seconds=60)
    for process in processes_of(request):
        process.send_signal(signal.SIGKILL)
    thread.join(30)
    kept = len(list(records.glob("*.json")))
    result, log = tune("slow", inputs={}, trials=6, workers=1, attempt="2.1")
    assert result.failure is None, log
    assert f"{kept} trials of earlier attempts are not run again" in log
    assert result.metrics["trials_complete"] == 6
    assert len({told["ended"] for told in trials() if "ended" in told}) == 6
    # Cleared after it was delivered, the stage searches anew; so does another search.
    anew, log = tune("slow", inputs={}, trials=2, workers=1, attempt="3.1")
    assert (anew.metrics["trials_complete"], "earlier" in "".join(log)) == (2, False)


def test_nothing_of_a_study_lives_on_when_it_is_stopped(tune, trials, tmp_path):
    runner = LocalRunner(logging.getLogger("stage"))
    request = tune.request("learns", inputs={}, trials=50)
    thread = threading.Thread(target=runner.run, args=(request,), kwargs={"secrets": {}})
    thread.start()
    address = Path(request.attempt_uri.removeprefix("file://"), "_study.json")
    wait_until(address.exists, what="the study", seconds=60)
    # The study with what watches it, two workers, and their trials.
    wait_until(lambda: len(processes_of(request)) >= 6, what="two trials in two workers", seconds=60)
    processes = processes_of(request)
    runner.stop()
    thread.join(30)
    _, alive = psutil.wait_procs(processes, timeout=10)
    assert not [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]


def test_a_study_can_be_kept_in_a_database_beside_the_store(tune, tmp_path, monkeypatch):
    url = f"sqlite:///{tmp_path}/studies.db"
    monkeypatch.setenv("AIRFLOW_ML_STUDY_STORAGE", url)
    result, log = tune("two_aims", inputs={}, trials=3)
    assert result.failure is None, log
    study = optuna.load_study(study_name="p/r/tune/-1/1.1", storage=url)
    assert study.best_params == result.values["best_params"]
    monkeypatch.setenv("AIRFLOW_ML_STUDY_STORAGE", "postgresql+nodriver://u:s3cret@nowhere/db")
    result, log = tune("two_aims", inputs={}, trials=3, attempt="2.1")
    assert (result.failure.category, "s3cret" in str(result.failure) + "".join(log)) == ("contract", False)
    assert "(AIRFLOW_ML_STUDY_STORAGE) cannot be used: NoSuchModuleError" in result.failure.message


def test_finished_trials_count_where_only_the_length_of_the_search_changed(tune, trials):
    failed, _ = tune("raises_over_five", inputs={}, trials=9, workers=1, sampler="RandomSampler")
    assert "1 trials failed, 0 may" in failed.failure.message
    good = len([told for told in trials() if told["x"] <= 5])
    assert good
    options = {"trials": 7, "workers": 2, "max_failed_trials": 9, "budget": 60.0, "sampler": "RandomSampler"}
    result, log = tune("raises_over_five", inputs={}, attempt="2.1", **options)
    assert result.failure is None, log
    assert f"{good} trials of earlier attempts are not run again" in log
    numbers = [line.split()[2] for line in log if line.startswith("[")]
    assert len(numbers) == len(set(numbers)) == 7 - good
    other, log = tune("raises_over_five", {"x": {"float": [0.0, 4.0]}}, inputs={}, attempt="3.1", **options)
    assert (other.failure, "earlier attempts" in "".join(log)) == (None, False)


def test_what_lies_beside_the_attempts_is_none(tune, trials):
    request = tune.request("two_aims")
    folder = Path(request.attempt_uri.removeprefix("file://")).parent
    (folder / "1.0" / "_trials").mkdir(parents=True)
    (folder / "_mlflow.run").write_text("{}")
    (folder / "1.0" / "_trials" / ".abc.tmp").write_text("{")
    result, log = tune("two_aims", inputs={}, trials=2)
    assert result.failure is None, log


def test_a_grid_ends_when_all_of_it_was_tried(tune, trials):
    grid = {"GridSampler": {"search_space": {"x": [1, 2, 3]}}}
    result, log = tune(
        "fails_at_first", {"x": {"int": [1, 3]}}, inputs={}, trials=50, sampler=grid, max_failed_trials=1
    )
    assert result.failure is None, log
    assert sorted({told["x"] for told in trials()}) == [1, 2, 3]
    assert result.metrics["trials_complete"] + result.metrics["trials_failed"] < 8


def test_a_sampler_that_fails_ends_the_study(tune):
    result, _ = tune("two_aims", inputs={}, trials=4, sampler={"GridSampler": {"search_space": {"y": [1]}}})
    assert result.failure.category == "contract"
    assert "the study failed to ask: ValueError" in result.failure.message


def test_what_a_stopped_trial_started_ends_with_it(tune, tmp_path):
    pruner = {"ThresholdPruner": {"upper": 5.0}}
    script = f'sleep 300 & echo $! >> {tmp_path}/pids; echo "0 9" >> $AIRFLOW_ML_REPORT; wait'
    result, log = tune(None, command=("bash", "-c", script), inputs={}, trials=2, workers=1, pruner=pruner)
    assert "none of 2 trials was completed" in result.failure.message, log
    for pid in (tmp_path / "pids").read_text().split():
        assert not psutil.pid_exists(int(pid)) or psutil.Process(int(pid)).status() == psutil.STATUS_ZOMBIE
