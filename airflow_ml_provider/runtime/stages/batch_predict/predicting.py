"""Rows through a model: those it cannot take are set apart, each with the reason."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow_ml_provider.runtime.errors import BadDataError, ContractError

if TYPE_CHECKING:
    from pandas import DataFrame, Series

_WHOLE = {"integer": "int32", "long": "int64"}
_REAL = {"float": "float32", "double": "float64"}
"""Types of numbers in MLflow's signatures."""
_REASON_LIMIT = 300
_APART = 1_000
"""After so many failures of rows alone, those that fail with others are not told apart any more."""
_NAN = "the model gives no prediction (NaN)"
_TOLD = 10_000
"""How many rejected rows of a piece are told one by one."""


class Reason(NamedTuple):
    """Why a row was rejected.

    Attributes:
        kind: Without any value of the row.
        text: As it is told beside the row.
    """

    kind: str
    text: str


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

    @property
    def text_columns(self) -> list[str]:
        """Columns that are text for the model, also where a file holds digits alone."""
        if self._schema is None or not self._schema.has_input_names():
            return []
        return [spec.name for spec in self._schema.inputs if getattr(spec.type, "name", "") == "string"]

    def predict(
        self, table: DataFrame, *, file: str, first: int
    ) -> tuple[DataFrame, list[dict[str, Any]], dict[str, int]]:
        """Return the rows with their predictions, the first ten thousand that were rejected, and reasons by count.

        The counted reasons hold no value of a row.

        Args:
            table: The rows.
            file: The file that they are of.
            first: The number of the first one in that file.

        Raises:
            BadDataError: There is no such column.
            ContractError: The model gives something else than a prediction a row.
        """
        import pandas as pd

        table = table.reset_index(drop=True)
        features, reasons = self._features(table, file)
        done: list[DataFrame] = []
        self._alone = 0
        size = self._options["batch_rows"]
        good = features[~features.index.isin(reasons)]
        for start in range(0, len(good), size):
            done += self._batch(good.iloc[start : start + size], reasons)
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

    def _features(self, table: DataFrame, file: str) -> tuple[DataFrame, dict[int, Reason]]:
        """Return the model's columns, numbers as numbers, and the rows in which one is none."""
        import numpy as np
        import pandas as pd

        reasons: dict[int, Reason] = {}
        missing = [column for column in self._options["keep"] or () if column not in table.columns]
        if missing:
            raise BadDataError(f"data/{file} has no column {missing[0]!r}, which keep names")
        if self._schema is None or not self._schema.has_input_names():
            return table, reasons
        optional = {spec.name for spec in self._schema.inputs if not spec.required}
        missing = [name for name in self._schema.input_names() if name not in table.columns and name not in optional]
        if missing:
            raise BadDataError(f"data/{file} has no column {missing[0]!r}, which {self._name} wants")
        features = table[[name for name in self._schema.input_names() if name in table.columns]].copy()
        for spec in self._schema.inputs:
            kind = getattr(spec.type, "name", "")
            if spec.name not in features.columns or kind not in (*_WHOLE, *_REAL):
                continue
            column = features[spec.name]
            numbers = pd.to_numeric(column, errors="coerce")
            bad, wanted = numbers.isna() & column.notna(), "a number"
            if kind in _WHOLE:
                limits = np.iinfo(_WHOLE[kind])
                wanted = f"a whole number from {limits.min} to {limits.max}"
                bad |= numbers.isna() | (numbers < limits.min) | (numbers > limits.max)
                if numbers.dtype.kind == "f":
                    # The largest whole number of 64 bits is none that a float can be.
                    bad |= (numbers % 1 != 0) | (numbers >= float(limits.max))
            for index in column.index[bad]:
                text = f"{spec.name} is {_plain_value(column[index])!r}, {wanted} is wanted"
                reasons.setdefault(index, Reason(f"{spec.name}: {wanted} is wanted", text[:_REASON_LIMIT]))
            features[spec.name] = numbers if kind in _WHOLE else numbers.astype(_REAL[kind])
        for spec in self._schema.inputs:
            if spec.name in features.columns and getattr(spec.type, "name", "") in _WHOLE:
                whole = features[spec.name].where(~features.index.isin(reasons), 0)
                features[spec.name] = whole.astype(_WHOLE[spec.type.name])
        return features, reasons

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
                    rows.index, Reason(f"the model raised {name}", f"{name}: {error}"[:_REASON_LIMIT])
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


def _plain(row: Series) -> dict[str, Any]:
    """Return a row as JSON values."""
    found = {}
    for name, value in row.items():
        plain = _plain_value(value)
        if isinstance(plain, float) and not math.isfinite(plain):
            plain = None
        found[str(name)] = plain if plain is None or isinstance(plain, (bool, int, float, str)) else str(plain)
    return found


def _plain_value(value: Any) -> Any:
    """Return what Python has for a number of numpy's; a list stays one."""
    return value.item() if hasattr(value, "item") and getattr(value, "ndim", 0) == 0 else value
