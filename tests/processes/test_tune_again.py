"""Studies that are begun again, stopped, or kept in a database."""

import logging
import signal
import threading
from pathlib import Path

import optuna
import psutil

from airflow_ml_provider.runners.local_runner import LocalRunner
from airflow_ml_provider.testing.airflow_api import wait_until
from tests.live.study import processes_of


def test_a_study_that_is_begun_again_repeats_no_finished_trial(tune, trials):
    runner = LocalRunner(logging.getLogger("stage"), passed=["TRIAL_*"])
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
    runner = LocalRunner(logging.getLogger("stage"), passed=["TRIAL_*"])
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


def test_a_study_can_be_kept_in_a_database_next_to_the_store(tune, tmp_path, monkeypatch):
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


def test_what_lies_next_to_the_attempts_is_none(tune, trials):
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
