"""A dataset in pieces: all rows, once; bad rows apart; what was done is not done again."""

import json
from types import SimpleNamespace

import mlflow
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow.models import infer_signature

from airflow_ml_provider.artifacts.digest import FileEntry
from airflow_ml_provider.runtime.errors import BadDataError, ContractError
from airflow_ml_provider.runtime.stages.batch_predict.pieces import Progress, pieces_of
from airflow_ml_provider.runtime.stages.batch_predict.predicting import Predictor
from airflow_ml_provider.runtime.stages.dataset.columns import Dataset


@given(st.lists(st.integers(0, 500), min_size=1, max_size=6), st.integers(1, 9))
def test_pieces_hold_every_row_of_every_file_once(counts, workers):
    files = [FileEntry(f"{number}.csv", 1, "0" * 64) for number in range(len(counts))]
    pieces = pieces_of(files, workers=workers)
    assert [piece.number for piece in pieces] == list(range(len(pieces)))
    assert len(pieces) >= workers
    for entry, count in zip(files, counts, strict=True):
        rows = [range(*piece.rows(count)) for piece in pieces if piece.path == entry.path]
        assert [row for part in rows for row in part] == list(range(count))


def test_progress_in_the_store(tmp_path):
    progress = Progress(f"file://{tmp_path}/1.1")
    (piece, other) = pieces_of([FileEntry("", 1, "0" * 64)], workers=2)
    assert progress.look() == (set(), {})
    assert progress.failure() is None
    progress.start(0)
    progress.start(0)
    progress.end(other, {"predicted": 3})
    assert progress.look() == ({1}, {0: 2})
    assert piece.number == 0
    assert progress.report(other) == {"predicted": 3}
    for message in ("first", "second"):
        progress.fail({"category": "contract", "message": message})
    assert progress.failure()["message"] == "first"


class Odd(mlflow.pyfunc.PythonModel):
    """Doubles x; raises at 13, and has nothing to say of 7."""

    def predict(self, context, model_input: pd.DataFrame, params=None):
        if (model_input["x"] == 13).any():
            raise ValueError("unlucky")
        return model_input["x"].where(model_input["x"] != 7) * 2


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model") / "m"
    rows = pd.DataFrame({"x": [1.0], "n": np.array([1], "int64")})
    mlflow.pyfunc.save_model(folder, python_model=Odd(), signature=infer_signature(rows), pip_requirements=["mlflow"])
    return folder


WHOLE = f"a whole number from {-(2**63)} to {2**63 - 1}"


def predictor(model, **changes):
    options = {"model": {"name": "m", "version": "1"}, "prediction": "y", "keep": None, "batch_rows": 4, **changes}
    return Predictor(model, options)


def test_rows_that_the_model_cannot_take_stand_apart(model):
    table = pd.DataFrame({"id": range(8), "x": [1, 13, 3, "lots", 7, 13, 2, 4], "n": [1, 1, 1, 1, 1, 1, 1.5, 2]})
    done, rejected, reasons = predictor(model).predict(Dataset(table), file="a.csv", first=100)
    assert dict(zip(done["id"], done["y"], strict=True)) == {0: 2.0, 2: 6.0, 7: 8.0}
    assert [(row["row"], row["reason"]) for row in rejected] == [
        (101, "ValueError: unlucky"),
        (103, "x is 'lots', a number is wanted"),
        (104, "the model gives no prediction (NaN)"),
        (105, "ValueError: unlucky"),
        (106, f"n is 1.5, {WHOLE} is wanted"),
    ]
    assert reasons == {
        "the model raised ValueError": 2,
        "x: a number is wanted": 1,
        "the model gives no prediction (NaN)": 1,
        f"n: {WHOLE} is wanted": 1,
    }
    assert json.loads(json.dumps(rejected))[1]["values"] == {"id": 3, "x": "lots", "n": 1.0}


def test_what_goes_along(model):
    table = pd.DataFrame({"id": [1], "x": [2.0], "n": [1]})
    done, _, _ = predictor(model, keep=["id"]).predict(Dataset(table), file="", first=0)
    assert done.to_dict("records") == [{"id": 1, "y": 4.0}]
    with pytest.raises(ContractError, match="the data has a column 'x', as the predictions have"):
        predictor(model, prediction="x").predict(Dataset(table), file="", first=0)
    with pytest.raises(BadDataError, match="has no column 'nobody', which keep names"):
        predictor(model, keep=["nobody"]).predict(Dataset(table), file="", first=0)
    with pytest.raises(BadDataError, match="has no column 'n', which m version 1 wants"):
        predictor(model).predict(Dataset(table.drop(columns="n")), file="", first=0)


def test_a_model_that_fails_everywhere_is_not_asked_a_million_times(model, monkeypatch):
    found = predictor(model, batch_rows=5000)
    calls = []

    def failing(rows):
        calls.append(len(rows))
        raise ValueError("no")

    found._model = SimpleNamespace(predict=failing)
    done, rejected, reasons = found.predict(Dataset(pd.DataFrame({"x": np.ones(20_000), "n": 1})), file="", first=0)
    assert (len(done), list(done.columns), len(rejected)) == (0, ["x", "n", "y"], 10_000)
    assert reasons == {"the model raised ValueError": 20_000}
    assert len(calls) < 3000


@pytest.mark.parametrize(
    ("kind", "values", "good"),
    [
        ("int32", [3_000_000_000, -3_000_000_000, 7, 8.0, 8.5, None], [7, 8]),
        ("int64", [2.0**63, 2**62, 5], [2**62, 5]),
        ("float64", ["1.5", True, 3, "x"], [1.5, 1.0, 3.0]),
    ],
)
def test_a_number_reaches_the_model_as_it_is_or_not_at_all(tmp_path, kind, values, good):
    class Same(mlflow.pyfunc.PythonModel):
        def predict(self, context, model_input: pd.DataFrame, params=None):
            return list(model_input["v"])

    signature = infer_signature(pd.DataFrame({"v": np.array([1], kind)}))
    mlflow.pyfunc.save_model(tmp_path / "m", python_model=Same(), signature=signature, pip_requirements=["mlflow"])
    found = predictor(tmp_path / "m")
    done, rejected, _ = found.predict(Dataset(pd.DataFrame({"v": pd.Series(values, dtype=object)})), file="", first=0)
    assert list(done["y"]) == good
    assert len(rejected) == len(values) - len(good)


def test_good_rows_are_distinguished_from_bad_ones_after_any_number_of_numbers_that_are_none(model):
    table = pd.DataFrame({"x": [*["no"] * 1500, 13.0, *[1.0] * 500], "n": 1})
    done, _, reasons = predictor(model, batch_rows=1000).predict(Dataset(table), file="", first=0)
    assert len(done) == 500
    assert reasons == {"x: a number is wanted": 1500, "the model raised ValueError": 1}
