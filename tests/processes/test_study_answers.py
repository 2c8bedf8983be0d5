"""Between a study and its workers: whatever is answered wrongly is an error that people see."""

import http.server
import json
import re
import threading

import optuna
import pytest

from airflow_ml_provider.artifacts.layout import join
from airflow_ml_provider.artifacts.objects import create_object
from airflow_ml_provider.decisions.search_space import algorithm
from airflow_ml_provider.protocol.result import EXIT_CODES
from airflow_ml_provider.runtime.stages.tune.client import StudyAnswerError, StudyClient
from airflow_ml_provider.runtime.stages.tune.server import BODY_LIMIT_BYTES, serving

TRIALS = 10
SAMPLERS = {
    "BruteForceSampler": ("BruteForceSampler", {"x": {"int": [0, 20]}}),
    "CmaEsSampler": ("CmaEsSampler", {"x": {"float": [0, 10]}, "z": {"float": [0, 1]}}),
    "GPSampler": ({"GPSampler": {"n_startup_trials": 3}}, {"x": {"float": [0, 10]}}),
    "GridSampler": ({"GridSampler": {"search_space": {"x": list(range(12))}}}, {"x": {"int": [0, 11]}}),
    "PartialFixedSampler": (
        {"PartialFixedSampler": {"fixed_params": {"z": 0.5}, "base_sampler": "RandomSampler"}},
        {"x": {"float": [0, 10]}, "z": {"float": [0, 1], "step": 0.25}},
    ),
}
PRUNERS = {
    "PatientPruner": {"PatientPruner": {"wrapped_pruner": "MedianPruner", "patience": 2}},
    "PercentilePruner": {"PercentilePruner": {"percentile": 25.0}},
    "ThresholdPruner": {"ThresholdPruner": {"upper": 1e6}},
}


def names(module, *bases):
    return sorted(name for name in module.__all__ if name[0].isupper() and name not in bases)


@pytest.mark.parametrize("name", names(optuna.samplers, "BaseSampler", "BaseGASampler"))
def test_every_sampler_of_optuna_gets_through_a_study(tune, name):
    sampler, search = SAMPLERS.get(name, (name, {"x": {"float": [0, 10]}, "z": {"float": [0, 1]}}))
    result, log = tune("steps", search, inputs={}, trials=TRIALS, workers=2, sampler=sampler)
    if name == "GPSampler":
        try:
            import torch  # noqa: F401
        except ImportError:
            # PyTorch is large, and left to those who want this sampler: the study says so at once.
            assert (result.failure.category, "torch" in result.failure.message) == ("contract", True)
            return
    assert result.failure is None, (result.failure, log)
    assert result.metrics["trials_complete"] == TRIALS


@pytest.mark.parametrize("name", names(optuna.pruners, "BasePruner"))
def test_every_pruner_of_optuna_gets_through_a_study(tune, name):
    result, log = tune("steps", inputs={}, trials=TRIALS, workers=2, pruner=PRUNERS.get(name, name))
    assert result.failure is None, (result.failure, log)
    ended = result.metrics["trials_complete"], result.metrics["trials_pruned"], result.metrics["trials_failed"]
    assert (sum(ended), ended[2]) == (TRIALS, 0)


def test_an_algorithm_within_an_algorithm_is_checked_like_the_outer_one(tune):
    with pytest.raises(ValueError, match=r"7 is not a pruner"):
        algorithm({"PatientPruner": {"wrapped_pruner": 7}}, of="pruner")
    result, _ = tune("steps", inputs={}, pruner={"PatientPruner": {"wrapped_pruner": "Median", "patience": 1}})
    assert "Optuna has no pruner 'Median'; it has" in result.failure.message


def test_an_error_message_without_end_is_cut_and_the_study_goes_on(tune):
    search = {"x": {"int": [0, 9]}}
    result, log = tune("loud", search, inputs={}, trials=4, max_failed_trials=4, sampler="RandomSampler")
    assert result.failure is None, (result.failure, log)
    assert result.metrics["trials_complete"] + result.metrics["trials_failed"] == 4
    assert result.metrics["trials_failed"] > 0
    (first, *_) = [line for line in log if "rows that do not fit" in line and line.startswith("[")]
    assert re.search(r"\.\.\. \(cut, it has 1,650,\d{3} characters\)", first)


def test_the_first_failed_trial_shows_its_traceback_at_once(tune):
    result, log = tune("raises", inputs={}, trials=3, workers=1, max_failed_trials=9)
    assert result.failure is not None
    seen, *_ = [number for number, line in enumerate(log) if "raise ValueError(f" in line]
    assert seen < next(number for number, line in enumerate(log) if line.startswith("[2/3]"))


class _Refused(Exception):
    pass


@pytest.fixture
def study(tmp_path):
    """Serve a study of one method, and return a worker's client."""

    def ask(worker):
        raise _Refused("no more room")

    uri = f"file://{tmp_path}/1.1"
    with serving({"ask": ask, "set": lambda worker: {1, 2}, "fine": lambda worker: None}, attempt_uri=uri, local=True):
        client = StudyClient(uri)
        client.find()
        yield client


@pytest.mark.parametrize(
    ("method", "values", "status", "why"),
    [
        ("ask", {}, 500, "_Refused: no more room"),
        ("set", {}, 500, "TypeError: Object of type set is not JSON serializable"),
        ("fine", {"more": 1}, 500, "unexpected keyword argument 'more'"),
        ("none", {}, 404, "there is no such method"),
        ("fine", {"message": "x" * BODY_LIMIT_BYTES}, 413, "at most 1,048,576 are read"),
    ],
)
def test_a_wrong_answer_is_an_error_on_both_sides(study, capfd, method, values, status, why):
    with pytest.raises(StudyAnswerError, match=rf"answered '{method}' with {status}: ") as caught:
        study.call(method, **values)
    assert why in str(caught.value)
    assert why in capfd.readouterr().out
    assert study.call("fine") == {}


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        (200, b"<html>Service mesh</html>", "not a JSON object: '<html>Service mesh</html>'"),
        (200, b"[1]", "not a JSON object: '[1]'"),
        (503, b"upstream away", "with 503: upstream away"),
        (413, b"", "with 413: "),
    ],
)
def test_a_worker_that_is_answered_wrongly_leaves_with_an_error(tune, tmp_path, capfd, monkeypatch, status, body, says):
    class Wrong(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments):
            """Say nothing."""

    from airflow_ml_provider.runtime.stages.tune import worker

    # It would take the place of pytest's own.
    monkeypatch.setattr(worker.signal, "signal", lambda *_: None)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Wrong)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    request = tune.request("steps", inputs={})
    address = {"url": f"http://127.0.0.1:{server.server_address[1]}", "token": "t"}
    create_object(join(request.attempt_uri, "_study.json"), json.dumps(address).encode())
    try:
        assert worker.work(request) == EXIT_CODES["contract"]
    finally:
        server.shutdown()
        server.server_close()
    assert says in capfd.readouterr().err


def test_workers_that_leave_without_having_been_asked_to_end_the_study_with_their_last_lines(tune):
    result, log = tune("off:train", inputs={}, trials=4, workers=2)
    assert result.failure.type == "WorkersDied", (result.failure, log)
    assert "11 workers died, the last with exit code 0; its last lines:\n" in result.failure.message
    assert "  | I am off" in result.failure.message
