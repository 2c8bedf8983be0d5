import pytest

from airflow_ml_provider.decisions.follow_up import FollowUp, follow_up
from airflow_ml_provider.decisions.models.gate import Threshold, judge
from airflow_ml_provider.decisions.outcome import read_outcome
from airflow_ml_provider.decisions.pods.leftover import Owner, is_over
from airflow_ml_provider.protocol.result import StageFailure, StageResult


@pytest.mark.parametrize(
    ("threshold", "value", "passed"),
    [
        ("< 20", 19.9, True),
        ("< 20", 20, False),
        ("<= 20", 20, True),
        ("> -1.5e-1", 0, True),
        (">=0.8", 0.79, False),
        ("< baseline", 4.9, True),
        ("< baseline", 5, False),
    ],
)
def test_a_gate_compares(threshold, value, passed):
    verdict = judge({"rmse": threshold}, {"rmse": value, "baseline": 5.0})
    assert verdict.passed is passed
    assert verdict.reasons[0].startswith(f"rmse is {value:g}, {'' if passed else 'not '}{threshold[0]}")


def test_every_threshold_must_hold_and_says_why():
    verdict = judge({"rmse": "< 20", "auc": "> 0.5", "mae": "< naive"}, {"rmse": 1.0, "mae": 2.0})
    assert not verdict.passed
    assert verdict.reasons == (
        "rmse is 1, < 20",
        "auc > 0.5: there is no metric 'auc'; the stage gave mae, rmse",
        "mae < naive: there is no metric 'naive'; the stage gave mae, rmse",
    )


@pytest.mark.parametrize("text", ["20", "< ", "= 3", "< 20 %", "<20; rm", 20, None, "at most 1% worse"])
def test_a_threshold_of_another_form_is_refused(text):
    with pytest.raises(ValueError, match="is not a threshold"):
        Threshold.parse(text)


OK = StageResult(status="success", attempt="1.1")
BAD = StageResult(status="failed", attempt="1.1", failure=StageFailure("bad_data", "BadDataError", "no rows"))


@pytest.mark.parametrize(
    ("exit_code", "result", "verdict", "message"),
    [
        (0, OK, "success", ""),
        (0, None, "no_result", "left no result [no result, exit code 0]"),
        (1, None, "no_result", "left no result [no result, exit code 1]"),
        (1, OK, "no_result", "failed at its end"),
        (-9, None, "killed", "was killed by SIGKILL [killed, exit code -9]; when nobody killed it"),
        (-9, OK, "killed", "was killed by SIGKILL"),
        (-250, None, "killed", "was killed by signal 250"),
        (3, BAD, "bad_data", "no rows [bad data, exit code 3]; fix the data"),
        (0, BAD, "bad_data", "no rows"),
    ],
)
def test_green_needs_exit_code_0_and_a_result(exit_code, result, verdict, message):
    outcome = read_outcome(exit_code, result)
    assert outcome.verdict == verdict
    assert message in outcome.message


def test_only_a_broken_contract_makes_retries_pointless():
    failure = StageFailure("contract", "ContractError", "x")
    broken = StageResult(status="failed", attempt="1", failure=failure)
    assert not read_outcome(4, broken).retry_helps
    assert read_outcome(-9, None).retry_helps


@pytest.mark.parametrize(
    ("passed", "on_failure", "expected"),
    [
        (True, "fail", FollowUp("continue")),
        (False, "fail", FollowUp("fail")),
        (False, "warn", FollowUp("warn")),
        (True, "branch", FollowUp("continue", ("train",))),
        (False, "branch", FollowUp("warn", ("quarantine",))),
    ],
)
def test_what_follows_a_check(passed, on_failure, expected):
    found = follow_up(
        passed=passed, on_failure=on_failure, if_failed=["quarantine"], downstream=["quarantine", "train"]
    )
    assert found == expected


@pytest.mark.parametrize(
    ("states", "over"),
    [
        (["success", "failed"], True),
        (["success", "running"], False),
        ([None], False),
        (["deferred"], False),
        ([], None),
    ],
)
def test_a_task_is_over_when_all_of_it_has_ended(states, over):
    assert is_over(states) is over


def test_an_owner_is_reported_in_words():
    assert str(Owner("d", "r", "t", 2)) == "task t[2] of run r of d"
    assert str(Owner("d", "r")) == "run r of d"
