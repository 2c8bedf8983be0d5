"""A study and its workers, as processes: Optuna, the store and the workers are real."""

import json

import pytest

from airflow_ml_provider.artifacts.store import ArtifactStore


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


def test_a_failed_trial_within_the_budget_is_reported_and_the_study_goes_on(tune, trials):
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
