"""Rows through a model: those it cannot take are set apart, each with the reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.runtime.errors import BadDataError, ContractError
from airflow_ml_provider.runtime.stages.dataset.columns import Dataset
from airflow_ml_provider.runtime.stages.dataset.signature import REASON_LIMIT, Reason, features_of
from airflow_ml_provider.runtime.stages.dataset.writing import json_value

if TYPE_CHECKING:
    from pandas import DataFrame, Series

_APART = 1_000
"""After so many failures of rows alone, those that fail with others are not distinguished any more."""
_NAN = "the model gives no prediction (NaN)"
_TOLD = 10_000
"""How many rejected rows of a piece are reported one by one."""


class Predictor:
    """One version of a model.

    Args:
        model: The folder, in MLflow's format.
        options: ``prediction``, the column of what is predicted; ``keep``, the columns of the data that go along, all
            when it is ``None``; ``batch_rows``, how many rows the model gets at once.

    Raises:
        ContractError: MLflow cannot load it.
    """

    def __init__(self, model: Path, options: Mapping[str, Any]) -> None:
        import mlflow

        known = options["model"]
        self._name = f"{known['name']} version {known['version']}"
        self._options = options
        try:
            self._model = mlflow.pyfunc.load_model(str(model))
        except Exception as error:
            raise ContractError(
                f"batch_predict: {self._name} cannot be loaded in the stage's image: {error}"
            ) from error
        self._schema = self._model.metadata.get_input_schema()
        self._alone = 0

    def predict(
        self, dataset: Dataset, *, file: str, first: int
    ) -> tuple[DataFrame, list[dict[str, Any]], dict[str, int]]:
        """Return the rows with their predictions, the first ten thousand that were rejected, and reasons by count.

        The counted reasons hold no value of a row.

        Args:
            dataset: The rows.
            file: The file that they are of.
            first: The number of the first one in that file.

        Raises:
            BadDataError: There is no such column.
            ContractError: The model gives something else than a prediction a row.
        """
        import pandas as pd

        name = f"data/{file}".rstrip("/")
        missing = [column for column in self._options["keep"] or () if column not in dataset.frame.columns]
        if missing:
            raise BadDataError(f"{name} has no column {missing[0]!r}, which keep names")
        features = features_of(dataset, self._schema, name=name, model=self._name)
        table, reasons = dataset.as_written(), dict(features.reasons)
        done: list[DataFrame] = []
        self._alone = 0
        for rows in list(features.batches(self._options["batch_rows"])):
            done += self._batch(rows, reasons)
        kept = table if self._options["keep"] is None else table[self._options["keep"]]
        if done:
            predictions = pd.concat(done).sort_index()
            taken = sorted(set(predictions.columns) & set(kept.columns))
            if taken:
                raise ContractError(
                    f"batch_predict: the data has a column {taken[0]!r}, as the predictions have: say "
                    f"prediction, or keep"
                )
            predicted = kept.loc[predictions.index].join(predictions)
        else:
            predicted = kept.iloc[:0].assign(**{self._options["prediction"]: [0.0][:0]})
        rejected = [
            {"file": file, "row": first + index, "reason": reason.text, "values": _plain(table.loc[index])}
            for index, reason in sorted(reasons.items())[:_TOLD]
        ]
        return predicted, rejected, dict(Counter(reason.kind for reason in reasons.values()))

    def _batch(self, rows: DataFrame, reasons: dict[int, Reason]) -> list[DataFrame]:
        """Return the predictions of rows; where the model raises they are halved until the bad ones stand alone."""
        try:
            predictions = self._shaped(self._model.predict(rows), rows)
        except ContractError:
            raise
        except Exception as error:  # noqa: BLE001 - a model is anybody's code
            if len(rows) == 1 or self._alone >= _APART:
                self._alone += 1
                name = type(error).__name__
                reasons |= dict.fromkeys(
                    rows.index, Reason(f"the model raised {name}", f"{name}: {error}"[:REASON_LIMIT])
                )
                return []
            half = len(rows) // 2
            return [*self._batch(rows.iloc[:half], reasons), *self._batch(rows.iloc[half:], reasons)]
        nothing = predictions.isna().any(axis=1)
        for index in predictions.index[nothing]:
            reasons[index] = Reason(_NAN, _NAN)
        return [predictions[~nothing]]

    def _shaped(self, predicted: Any, rows: DataFrame) -> DataFrame:
        """Return predictions as columns, one row each."""
        import numpy as np
        import pandas as pd

        name = self._options["prediction"]
        if isinstance(predicted, pd.DataFrame):
            found = predicted.rename(columns=str)
        else:
            values = np.asarray(predicted)
            if values.ndim == 2 and values.shape[1] > 1:
                found = pd.DataFrame(values, columns=[f"{name}_{index}" for index in range(values.shape[1])])
            else:
                found = pd.DataFrame({name: list(predicted) if values.ndim != 2 else values[:, 0]})
        if len(found) != len(rows):
            raise ContractError(
                f"batch_predict: {self._name} gives {len(found)} predictions for {len(rows)} rows; one a row is wanted"
            )
        return found.set_axis(rows.index)


def _plain(row: Series[Any]) -> dict[str, Any]:
    """Return a row as JSON values, what is neither number nor text as text."""
    found = {str(name): json_value(value) for name, value in row.items()}
    return {name: str(value) if isinstance(value, dict | list) else value for name, value in found.items()}
