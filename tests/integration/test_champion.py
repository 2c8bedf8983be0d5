"""A model against the champion on the same data: the first, a worse, an odd and a better one."""

import re
import shutil
from pathlib import Path
from urllib.parse import urlparse

import pytest

DAG = "compared"


def verdict(airflow, run):
    return airflow.api.xcom(DAG, run, "evaluate", "gate")


def ended(airflow, run, *, seconds=180):
    state = airflow.api.wait_for_run(DAG, run, seconds=seconds)
    return state, {name: task["state"] for name, task in airflow.api.tasks(DAG, run).items()}


@pytest.fixture(scope="module")
def first(airflow):
    run, state, _ = airflow.run(DAG, alpha=1.0)
    assert state == "success", airflow.api.log(DAG, run, "evaluate")
    return run


def test_the_first_model_has_no_champion_next_to_it(airflow, mlflow, first):
    told = verdict(airflow, first)
    assert told["passed"] is True
    assert "there is no champion of progression yet: nothing to compare with" in told["reasons"]
    assert any(re.fullmatch(r"worst slice, sex=[12]\.0: rmse is [\d.]+, < 90", reason) for reason in told["reasons"])
    assert mlflow.aliases("progression") == {"champion": "1"}
    card = Path(urlparse(airflow.api.xcom(DAG, first, "evaluate", "card")["uri"]).path)
    page = (card / "card.md").read_text()
    for part in ("## Metrics", "## Slices", "| alpha | 1.0 |", "## Lineage", "![predictions](plot.svg)"):
        assert part in page
    (version,) = mlflow.versions("progression")
    assert version["description"].startswith("# compared: model")
    assert "](plot.svg)" not in version["description"]
    assert (card / "index.html").read_text().count("<svg") == 1


def test_a_worse_model_is_stopped_and_one_with_other_inputs_is_named(airflow, mlflow, first):
    worse = airflow.api.trigger(DAG, conf={"alpha": 10_000_000.0})
    other = airflow.api.trigger(DAG, conf={"without": "bmi"})
    assert ended(airflow, worse)[1]["register"] == "upstream_failed"
    told = verdict(airflow, worse)
    assert told["passed"] is False
    assert any(
        re.fullmatch(
            r"rmse is [\d.]+, that of progression [\d.]+, the difference within \[.+, .+\]: not at most 2% worse",
            reason,
        )
        for reason in told["reasons"]
    ), told
    metrics = airflow.api.xcom(DAG, worse, "evaluate", "metrics")
    assert metrics["rmse"] > metrics["champion_rmse"]
    assert mlflow.runs(DAG, worse)["stage"]["evaluate"].metrics["champion_rmse"] == metrics["champion_rmse"]

    assert ended(airflow, other)[1]["evaluate"] == "failed"
    log = airflow.api.log(DAG, other, "evaluate")
    why = r"the champion progression version 1 cannot be measured on this data: .* has no column 'bmi', which .* wants"
    assert re.search(why, log)
    assert "its inputs are others: gone bmi" in log
    assert mlflow.aliases("progression") == {"champion": "1"}


def test_a_better_model_is_the_next_champion_and_one_that_is_gone_is_reported(airflow, mlflow, mlflow_server, first):
    run = airflow.api.trigger(DAG, conf={"alpha": 0.01})
    assert ended(airflow, run)[0] == "success", airflow.api.log(DAG, run, "evaluate")
    assert mlflow.aliases("progression") == {"champion": "2"}
    assert "champion_rmse" in airflow.api.xcom(DAG, run, "evaluate", "metrics")

    lost = mlflow.runs(DAG, run)["stage"]["register"].id
    (folder,) = mlflow_server.artifacts.rglob(f"{lost}/artifacts/model")
    shutil.rmtree(folder)
    run = airflow.api.trigger(DAG, conf={"alpha": 0.02})
    assert ended(airflow, run)[1]["evaluate"] == "failed"
    assert "models:/progression/2 cannot be loaded" in airflow.api.log(DAG, run, "evaluate")
    assert mlflow.aliases("progression") == {"champion": "2"}
