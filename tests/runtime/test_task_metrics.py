"""What ``task:`` measures, against scikit-learn; what is not defined for some rows is not there, and not made up."""

import mlflow
import numpy as np
import pandas as pd
import pytest
from sklearn import datasets, metrics
from sklearn.cluster import KMeans
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from airflow_ml_provider.artifacts.store import ArtifactStore
from airflow_ml_provider.protocol.request import StageRequest
from airflow_ml_provider.runtime.errors import ContractError
from airflow_ml_provider.runtime.stage import run_stage
from airflow_ml_provider.runtime.stages.evaluate.predicting import predicted
from airflow_ml_provider.runtime.stages.task_metrics import task_metrics
from tests.cases.penguins.steps.stages import COLUMNS, cluster
from tests.runtime.test_evaluate_body import OPTIONS

PENGUINS = "tests/cases/penguins/data/penguins.csv"


def classification(seed):
    kinds = [
        lambda: datasets.load_iris(return_X_y=True),
        lambda: datasets.load_wine(return_X_y=True),
        lambda: datasets.load_breast_cancer(return_X_y=True),
        lambda: datasets.load_digits(return_X_y=True),
        lambda: datasets.make_classification(300, weights=[0.9], flip_y=0.2, random_state=seed),
        lambda: datasets.make_moons(200, noise=0.3, random_state=seed),
        lambda: datasets.make_classification(400, n_classes=5, n_informative=6, random_state=seed),
    ]
    return kinds[seed % len(kinds)]()


@pytest.mark.parametrize("seed", range(10))
def test_classification_as_scikit_learn_measures_it(seed):
    features, target = classification(seed)
    model = RandomForestClassifier(5, max_depth=3, random_state=seed).fit(features[::2], target[::2])
    found = model.predict(features)
    table = pd.DataFrame({"target": target, "prediction": found})
    wanted = {
        "accuracy": metrics.accuracy_score(target, found),
        "balanced_accuracy": metrics.balanced_accuracy_score(target, found),
        "f1": metrics.f1_score(target, found, average="macro"),
    }
    if len(model.classes_) == 2:
        share = model.predict_proba(features)[:, 1]
        table["probability"] = share
        wanted["roc_auc"] = metrics.roc_auc_score(target, share)
        wanted["log_loss"] = metrics.log_loss(target, share)
        wanted["brier"] = metrics.brier_score_loss(target, share)
    assert task_metrics(table, {**OPTIONS, "task": "classification"}) == pytest.approx(wanted)


@pytest.mark.parametrize("seed", range(10))
def test_regression_as_scikit_learn_measures_it(seed):
    features, target = (
        datasets.load_diabetes(return_X_y=True)
        if seed == 0
        else datasets.make_regression(200, 5, noise=seed * 10, random_state=seed)
    )
    found = LinearRegression().fit(features[::2], target[::2]).predict(features)
    table = pd.DataFrame({"target": target, "prediction": found})
    assert task_metrics(table, OPTIONS) == pytest.approx(
        {
            "rmse": metrics.root_mean_squared_error(target, found),
            "mae": metrics.mean_absolute_error(target, found),
            "r2": metrics.r2_score(target, found),
        }
    )


def test_of_a_target_that_never_changes_nothing_is_explained():
    table = pd.DataFrame({"target": [3.0, 3.0], "prediction": [3.0, 4.0]})
    assert task_metrics(table, OPTIONS).keys() == {"rmse", "mae"}


def test_a_class_that_is_missing_in_a_slice_is_no_other_class():
    rows = pd.DataFrame({"target": ["a", "c", "c"], "prediction": ["a", "c", "a"], "probability": [0.1, 0.2, 0.3]})
    options = {**OPTIONS, "task": "classification"}
    # Of three classes the slice holds two: the probability is not that of the second one of these.
    assert "roc_auc" not in task_metrics(rows, options, classes=["a", "b", "c"])
    one = rows.iloc[1:]
    found = task_metrics(one, options, classes=["a", "c"])
    assert "roc_auc" not in found
    assert found["log_loss"] == pytest.approx(metrics.log_loss([1, 1], [0.2, 0.3], labels=[0, 1]))
    assert found["balanced_accuracy"] == 0.5


def test_ties_of_a_ranking_count_as_scikit_learn_counts_them():
    table = pd.DataFrame({"group": 1, "target": [3, 2, 0, 1], "prediction": [0.5, 0.5, 0.5, 0.1]})
    found = task_metrics(table, {**OPTIONS, "task": "ranking"})
    assert found["ndcg"] == pytest.approx(metrics.ndcg_score([[3, 2, 0, 1]], [[0.5, 0.5, 0.5, 0.1]]))


def asked(tmp_path, model, table, **options):
    mlflow.sklearn.save_model(
        model, str(tmp_path / "model"), input_example=table.head(3), serialization_format="cloudpickle", **options
    )
    table.to_csv(tmp_path / "data.csv", index=False)


@pytest.fixture
def request_of():
    def made(**options):
        return StageRequest(
            kind="evaluate", pipeline="p", stage="e", dag_run="r", attempt="1", attempt_uri="x", body="evaluate",
            options={**OPTIONS, **options},
        )  # fmt: skip

    return made


@pytest.mark.parametrize("how", ["predict", "predict_proba"])
def test_probabilities_come_from_the_model_itself(tmp_path, request_of, how):
    features, target = datasets.load_breast_cancer(return_X_y=True, as_frame=True)
    names = np.array(["malignant", "benign"])[target]
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(features, names)
    mlflow.sklearn.save_model(
        model, str(tmp_path / "model"), pyfunc_predict_fn=how, input_example=features.head(3),
        serialization_format="cloudpickle",
    )  # fmt: skip
    features.assign(target=names).to_csv(tmp_path / "data.csv", index=False)
    request = request_of(task="classification")
    table = predicted(request, {"model": tmp_path / "model", "data": tmp_path / "data.csv"}, "model")
    found = task_metrics(table, request.options)
    share = model.predict_proba(features)[:, list(model.classes_).index("malignant")]
    assert found["roc_auc"] == pytest.approx(metrics.roc_auc_score(names == "malignant", share))
    assert found["accuracy"] == pytest.approx(metrics.accuracy_score(names, model.predict(features)))


def test_a_clustering_is_measured_in_the_space_of_its_model(tmp_path, request_of):
    from pathlib import Path

    model = tmp_path / "model"
    cluster(Path(PENGUINS), model)
    request = request_of(task="clustering", target="species")
    table = predicted(request, {"model": model, "test": Path(PENGUINS)}, "model")
    found = task_metrics(table, request.options)
    assert found["silhouette"] == pytest.approx(0.446, abs=0.001)
    raw = mlflow.sklearn.load_model(str(model))
    rows = pd.read_csv(PENGUINS)
    wanted = metrics.silhouette_score(raw[:-1].transform(rows[COLUMNS]), raw.predict(rows[COLUMNS]))
    assert found["silhouette"] == pytest.approx(wanted)


def test_without_a_pipeline_the_space_is_what_the_model_takes(tmp_path, request_of):
    points, _ = datasets.make_blobs(120, centers=3, random_state=1)
    rows = pd.DataFrame(points, columns=["x", "y"])
    model = KMeans(3, n_init=3, random_state=0).fit(rows)
    mlflow.sklearn.save_model(model, str(tmp_path / "model"), input_example=rows, serialization_format="cloudpickle")
    rows.assign(number=np.arange(120) * 1e6).to_csv(tmp_path / "data.csv", index=False)
    request = request_of(task="clustering")
    table = predicted(request, {"model": tmp_path / "model", "data": tmp_path / "data.csv"}, "model")
    assert task_metrics(table, request.options)["silhouette"] == pytest.approx(
        metrics.silhouette_score(rows, model.labels_)
    )


def clustered(model, data, predictions, embedding):
    rows = pd.read_csv(data)
    rows.assign(prediction=(rows["x"] > 5).astype(int), far=np.arange(len(rows)) * 1e6).to_csv(predictions, index=False)
    rows[["x"]].to_csv(embedding, index=False)


@pytest.mark.parametrize("space", [["x"], "embedding"])
def test_the_space_is_named_where_code_predicts(tmp_path, space):
    store, root = ArtifactStore(), f"file://{tmp_path}/store"
    (tmp_path / "model").write_text("0")
    (tmp_path / "data.csv").write_text("x\n" + "".join(f"{number % 2 * 9 + number / 100}\n" for number in range(20)))
    inputs = {
        name: store.put(tmp_path / file, directory=f"{root}/in", output=name, artifact_type=kind)
        for name, file, kind in (("model", "model", "model"), ("data", "data.csv", "dataset"))
    }
    result = run_stage(
        StageRequest(
            kind="evaluate",
            pipeline="p",
            stage="e",
            dag_run="r",
            attempt="1.1",
            attempt_uri=f"{root}/p/1.1",
            run=f"{__name__}:clustered",
            body="evaluate",
            inputs=inputs,
            options={**OPTIONS, "task": "clustering", "space": space},
            outputs={"predictions": "dataset", "embedding": "dataset", "card": "report"},
        )
    )
    assert result.failure is None, result.failure
    assert result.metrics["silhouette"] > 0.9


class Plain(mlflow.pyfunc.PythonModel):
    """Answers with what it was made with, cut to the rows."""

    def __init__(self, answer):
        self.answer = answer

    def predict(self, context, model_input, params=None):
        return self.answer


@pytest.mark.parametrize("answer", [[[1.0], [2.0]], [1.0, 2.0], np.array([[1.0], [2.0]]), pd.Series([1.0, 2.0])])
def test_a_model_may_answer_with_a_list_or_one_column(tmp_path, request_of, answer):
    table = plain_model(tmp_path, request_of, answer)
    assert list(table["prediction"]) == [1.0, 2.0]


@pytest.mark.parametrize("answer", [[[1.0], [2.0, 3.0]], [1.0], 7.0, pd.DataFrame()])
def test_an_answer_that_is_no_column_is_the_models_fault(tmp_path, request_of, answer):
    with pytest.raises(ContractError, match="evaluate: model gives no column of predictions, one a row"):
        plain_model(tmp_path, request_of, answer)


def plain_model(tmp_path, request_of, answer):
    mlflow.pyfunc.save_model(tmp_path / "model", python_model=Plain(answer), pip_requirements=["mlflow"])
    (tmp_path / "data.csv").write_text("x,target\n1,1\n2,2\n")
    inputs = {"model": tmp_path / "model", "data": tmp_path / "data.csv"}
    return predicted(request_of(task="regression"), inputs, "model")
