"""Rows to the columns that a model's signature names; what cannot be converted, with its column, value and rule."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow_ml_provider.runtime.errors import BadDataError
from airflow_ml_provider.runtime.stages.dataset.columns import Dataset, usual
from airflow_ml_provider.runtime.stages.dataset.conversion import (
    Converted,
    to_booleans,
    to_integers,
    to_numbers,
    to_texts,
    to_times,
)

if TYPE_CHECKING:
    from pandas import DataFrame

REASON_LIMIT = 300
_SHOWN = 80
_CONVERSIONS: Mapping[str, Callable[..., Converted]] = {
    "boolean": to_booleans,
    "integer": partial(to_integers, bits=32),
    "long": partial(to_integers, bits=64),
    "float": partial(to_numbers, bits=32),
    "double": partial(to_numbers, bits=64),
    "string": to_texts,
    "datetime": to_times,
}
"""By MLflow's types: https://mlflow.org/docs/latest/ml/model/signatures/#column-based-signatures."""
_CANNOT_BE_MISSING = ("boolean", "integer", "long")
_DTYPES = {"boolean": "bool", "integer": "int32", "long": "int64"}


class Reason(NamedTuple):
    """Why a row was rejected.

    Attributes:
        kind: Without any value of the row.
        text: As it is reported with the row.
    """

    kind: str
    text: str


@dataclass(frozen=True)
class Features:
    """What a model is to be given.

    Attributes:
        frame: The rows, in the types of the signature, rejected ones too.
        reasons: Why rows are rejected, by their place.
        may_lack: Optional columns whose type has no missing value: a row that has none goes to the model without them.
    """

    frame: DataFrame
    reasons: dict[int, Reason] = field(default_factory=dict)
    may_lack: tuple[str, ...] = ()

    def batches(self, size: int) -> Iterator[DataFrame]:
        """Return the rows that are not rejected, at most so many at a time, each batch with the columns it has."""
        good = self.frame[~self.frame.index.isin(self.reasons)]
        absent = good[list(self.may_lack)].isna() if self.may_lack else None
        groups = [good] if absent is None else [rows for _, rows in good.groupby([absent[name] for name in absent])]
        for rows in groups:
            ready = self._ready(rows)
            for start in range(0, len(ready), size):
                yield ready.iloc[start : start + size]

    def _ready(self, rows: DataFrame) -> DataFrame:
        gone = [name for name in self.may_lack if len(rows) and rows[name].isna().all()]
        ready = rows.drop(columns=gone)
        return ready.astype({name: _numpy(ready[name].dtype) for name in self.may_lack if name in ready.columns})


def features_of(dataset: Dataset, schema: Any, *, name: str, model: str) -> Features:
    """Convert the columns that a model takes.

    Args:
        dataset: The rows as they are written.
        schema: MLflow's schema of the model's input; without names of columns the rows stay as they are.
        name: The dataset, for messages.
        model: The model, for messages.

    Raises:
        BadDataError: A column that the model needs is not there.
    """
    if schema is None or not schema.has_input_names():
        return Features(dataset.inferred())
    optional = {spec.name for spec in schema.inputs if not getattr(spec, "required", True)}
    present = [spec for spec in schema.inputs if spec.name in dataset.frame.columns]
    missing = [spec.name for spec in schema.inputs if spec not in present and spec.name not in optional]
    if missing:
        raise BadDataError(
            f"{name} has no column {missing[0]!r}, which {model} wants; it has "
            f"{', '.join(map(str, dataset.frame.columns))}"
        )
    reasons: dict[int, Reason] = {}
    columns: dict[str, Any] = {}
    may_lack: list[str] = []
    for spec in present:
        kind, column = getattr(spec.type, "name", ""), dataset.frame[spec.name]
        convert = _CONVERSIONS.get(kind)
        if convert is None:
            columns[spec.name] = usual(column)
            continue
        found = convert(column, untyped=spec.name in dataset.untyped)
        for index in column.index[found.wrong]:
            reasons.setdefault(int(index), _reason(spec.name, column[index], found.wanted))
        values = found.values
        if kind in _CANNOT_BE_MISSING:
            absent = values.isna().to_numpy() & ~found.wrong
            if absent.any() and spec.name in optional and kind == "boolean":
                columns[spec.name] = usual(values)
                continue
            if absent.any() and spec.name in optional:
                may_lack.append(spec.name)
                columns[spec.name] = values.astype("Int32") if kind == "integer" else values
                continue
            for index in column.index[absent]:
                reasons.setdefault(int(index), _reason(spec.name, None, found.wanted))
            values = values.fillna(0 if kind != "boolean" else False).astype(_DTYPES[kind])
        columns[spec.name] = values
    import pandas as pd

    frame = pd.DataFrame(columns, index=dataset.frame.index)
    return Features(frame, reasons, tuple(may_lack))


def _reason(column: str, value: Any, wanted: str) -> Reason:
    shown = "missing" if value is None else _shown(value)
    return Reason(f"{column}: {wanted} is wanted", f"{column} is {shown}, {wanted} is wanted"[:REASON_LIMIT])


def _shown(value: Any) -> str:
    text = repr(value.item() if hasattr(value, "item") and getattr(value, "ndim", 0) == 0 else value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."


def _numpy(dtype: Any) -> Any:
    return getattr(dtype, "numpy_dtype", dtype)
