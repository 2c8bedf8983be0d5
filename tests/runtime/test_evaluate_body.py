"""What an evaluate stage makes of predictions; the champion itself is in tests/integration/test_champion.py."""

import numpy as np
import pandas as pd
import pytest

from airflow_ml_provider.artifacts.store import ArtifactStore
from airflow_ml_provider.protocol.request import StageRequest
from airflow_ml_provider.runtime.errors import BadDataError, ContractError
from airflow_ml_provider.runtime.stage import run_stage
from airflow_ml_provider.runtime.stages.evaluate.bootstrap import differences
from airflow_ml_provider.runtime.stages.task_metrics import task_metrics

OPTIONS = {
    "champion": None,
    "compared": [],
    "task": "regression",
    "target": "target",
    "prediction": "prediction",
    "by": [],
    "min_slice_rows": 2,
    "confidence": None,
}
HERE = f"{__name__}"


def predict(model, data, predictions):
    table = pd.read_csv(data)
    table.assign(prediction=table["target"] + float(model.read_text())).to_parquet(predictions)
    return {"rows": len(table)}


def only_metrics(model, data):
    return {"rmse": 1.0}


def test_the_usual_metrics_of_each_task():
    numbers = pd.DataFrame({"target": [1.0, 2.0, 3.0], "prediction": [1.0, 2.0, 5.0]})
    assert task_metrics(numbers, OPTIONS) == pytest.approx({"rmse": (4 / 3) ** 0.5, "mae": 2 / 3, "r2": -1.0})
    classes = pd.DataFrame(
        {"target": ["a", "a", "b", "b"], "prediction": ["a", "b", "b", "b"], "probability": [0.1, 0.6, 0.7, 0.9]}
    )
    found = task_metrics(classes, {**OPTIONS, "task": "classification"})
    assert found == pytest.approx(
        {
            "accuracy": 0.75,
            "balanced_accuracy": 0.75,
            "f1": 0.7333333,
            "roc_auc": 1.0,
            "log_loss": 0.370914,
            "brier": 0.1175,
        },
        rel=1e-4,
    )
    ranked = pd.DataFrame(
        {"group": [1, 1, 1, 2, 2], "target": [3, 2, 0, 1, 0], "prediction": [0.9, 0.5, 0.1, 0.2, 0.8]}
    )
    found = task_metrics(ranked, {**OPTIONS, "task": "ranking"})
    assert found == pytest.approx({"ndcg": (1 + 1 / np.log2(3)) / 2, "groups": 2})
    clusters = pd.DataFrame({"x": [0.0, 0.1, 9.0, 9.1], "prediction": [0, 0, 1, 1]})
    assert task_metrics(clusters, {**OPTIONS, "task": "clustering"})["silhouette"] > 0.9


@pytest.mark.parametrize(
    ("table", "says"),
    [
        (pd.DataFrame({"target": [1.0]}), "no column 'prediction'; they have target"),
        (pd.DataFrame({"target": [1.0, None], "prediction": [1.0, 2.0]}), "'target' has 1 of 2 values missing"),
    ],
)
def test_predictions_that_are_none_are_reported(table, says):
    with pytest.raises(BadDataError, match=says):
        task_metrics(table, OPTIONS)


def test_the_bootstrap_knows_a_difference_from_noise():
    random = np.random.default_rng(1)
    target = random.normal(size=400)
    champion = pd.DataFrame({"target": target, "prediction": target + random.normal(size=400)})
    same = champion.assign(prediction=champion["prediction"] + random.normal(scale=0.05, size=400))
    worse = champion.assign(prediction=target + 1.6 * (champion["prediction"] - target))
    options = {**OPTIONS, "confidence": 0.95, "compared": ["rmse"]}
    low, high = differences(same, champion, options=options)["rmse"]
    assert low < 0.02
    assert -0.05 < low < high < 0.05
    low, high = differences(worse, champion, options=options)["rmse"]
    assert 0.4 < low < high < 0.8
    with pytest.raises(ContractError, match="other rows"):
        differences(worse.iloc[1:], champion, options=options)
    with pytest.raises(ContractError, match="other rows"):
        differences(worse.iloc[::-1], champion, options=options)


@pytest.fixture
def evaluated(tmp_path):
    """Run an evaluate stage in this process."""
    store, root = ArtifactStore(), f"file://{tmp_path}/store"
    (tmp_path / "model").write_text("0.5")
    rows = "".join(f"{number},{'north' if number % 2 else 'south'}\n" for number in range(10))
    (tmp_path / "data.csv").write_text("target,region\n" + rows)
    inputs = {
        name: store.put(tmp_path / file, directory=f"{root}/in", output=name, artifact_type=artifact_type)
        for name, file, artifact_type in (("model", "model", "model"), ("data", "data.csv", "dataset"))
    }

    def run(function, *, outputs=("predictions",), **options):
        return run_stage(
            StageRequest(
                kind="evaluate",
                pipeline="p",
                stage="evaluate",
                dag_run="r",
                attempt="1.1",
                attempt_uri=f"{root}/p/1.1",
                run=f"{HERE}:{function}",
                body="evaluate",
                options={**OPTIONS, **options},
                inputs=inputs,
                outputs={**dict.fromkeys(outputs, "dataset"), "card": "report"},
            )
        )

    return run


def test_metrics_of_the_code_and_of_its_predictions_and_of_slices(evaluated, tmp_path):
    result = evaluated("predict", by=["region"])
    assert result.failure is None, result.failure
    assert (result.metrics["rmse"], result.metrics["rows"]) == (0.5, 10)
    slices = result.values["evaluation"]["slices"]
    assert slices.keys() == {"region=north", "region=south"}
    assert (slices["region=north"]["rmse"], slices["region=north"]["rows"]) == (0.5, 5)
    page = tmp_path / "page"
    ArtifactStore().fetch(result.outputs["card"], page)
    assert "| region=south | 0.5 |" in (page / "card.md").read_text()
    assert result.outputs.keys() == {"predictions", "card"}


def test_slices_that_are_too_small_are_left_out(evaluated):
    assert evaluated("predict", by=["region"], min_slice_rows=6).values["evaluation"]["slices"] == {}


@pytest.mark.parametrize(
    ("function", "options", "says"),
    [
        ("predict", {"by": ["carrier"]}, "by: the predictions have no column 'carrier'; they have target, region"),
        ("predict", {"target": "delay"}, "the predictions have no column 'delay'"),
        ("only_metrics", {"outputs": ()}, "needs predictions: the code writes them, one row each, to an output"),
    ],
)
def test_what_an_evaluation_lacks_is_reported(evaluated, function, options, says):
    result = evaluated(function, **options)
    assert says in result.failure.message


def test_code_alone_needs_no_task(evaluated):
    result = evaluated("only_metrics", outputs=(), task=None)
    assert result.failure is None, result.failure
    assert result.metrics == {"rmse": 1.0}
