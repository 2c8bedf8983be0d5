"""A dataset in the types of another one: what is equal by value is equal, whatever file it came in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_ml_provider.runtime.stages.dataset.columns import Dataset, inferred_type, usual
from airflow_ml_provider.runtime.stages.dataset.conversion import (
    Converted,
    to_booleans,
    to_numbers,
    to_texts,
    to_times,
)

if TYPE_CHECKING:
    from pandas import DataFrame, Series


def standard(dataset: Dataset) -> DataFrame:
    """Return rows with times in UTC without a zone, and categories as what they stand for."""
    frame = dataset.inferred()
    return frame.assign(**{name: _standard(frame[name]) for name in frame.columns})


def like(dataset: Dataset, reference: DataFrame) -> DataFrame:
    """Return rows in the types of a reference, column by column; a column that does not fit stays as it is.

    Args:
        dataset: The rows as they are written.
        reference: Rows as :func:`standard` returns them.
    """
    columns = {}
    for name in dataset.frame.columns:
        column, untyped = dataset.frame[name], name in dataset.untyped
        found = _in_type_of(reference[name], column, untyped=untyped) if name in reference.columns else None
        fits = found is not None and not found.wrong.any()
        columns[name] = (
            usual(found.values) if found is not None and fits else _standard(_by_itself(column, untyped=untyped))
        )
    return dataset.frame.assign(**columns)


def _in_type_of(reference: Series[Any], column: Series[Any], *, untyped: bool) -> Converted | None:
    from pandas.api.types import is_bool_dtype, is_datetime64_any_dtype, is_numeric_dtype, is_string_dtype

    if is_bool_dtype(reference):
        return to_booleans(column, untyped=untyped)
    if is_numeric_dtype(reference):
        return to_numbers(column, untyped=untyped)
    if is_datetime64_any_dtype(reference):
        return to_times(column, untyped=untyped)
    return to_texts(column, untyped=untyped) if is_string_dtype(reference.dropna()) else None


def _by_itself(column: Series[Any], *, untyped: bool) -> Series[Any]:
    return usual(inferred_type(column) if untyped else column)


def _standard(column: Series[Any]) -> Series[Any]:
    import pandas as pd
    from pandas.api.types import is_datetime64_any_dtype

    if isinstance(column.dtype, pd.CategoricalDtype):
        return column.astype(object if column.hasnans else column.cat.categories.dtype)
    return to_times(column, untyped=False).values if is_datetime64_any_dtype(column) else column
