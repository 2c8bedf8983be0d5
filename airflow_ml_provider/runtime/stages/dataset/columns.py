"""Columns as a file has them: of text formats each cell is text, whose type nobody said yet."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pandas import DataFrame, Series

EXACT = 2**53
"""Up to here every whole number is a number of floating point."""
MARKS = ("NA", "N/A", "NaN", "nan", "null", "NULL", "None")
"""How a text format says that a number, a boolean or a time is missing; in a column of text these are texts."""
INTEGER = r"^-?(?:0|[1-9][0-9]*)$"
NUMBER = r"^-?(?:0|[1-9][0-9]*)(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?$|^-?\.[0-9]+(?:[eE][+-]?[0-9]+)?$|^-?inf$"
_LARGE_EXPONENT = r"[eE]\+?[0-9]{3}"
_BOOLEANS = {"true": True, "false": False, "True": True, "False": False, "TRUE": True, "FALSE": False}


@dataclass(frozen=True)
class Dataset:
    """Rows as they are written.

    Attributes:
        frame: The rows. A column of a text format holds text, missing where a cell is empty.
        untyped: The columns that are text because a text format knows nothing else.
    """

    frame: DataFrame
    untyped: frozenset[str] = frozenset()

    def __len__(self) -> int:
        return len(self.frame)

    def without(self, column: str) -> Dataset:
        """Return the rows without a column, where they have it."""
        return Dataset(self.frame.drop(columns=column, errors="ignore"), self.untyped - {column})

    def rows(self, first: int, last: int) -> Dataset:
        """Return some of the rows."""
        return Dataset(self.frame.iloc[first:last].reset_index(drop=True), self.untyped)

    def inferred(self) -> DataFrame:
        """Return the rows, untyped columns as numbers or booleans where every cell is written as one.

        ``00042``, ``1_000`` and ``+49`` are text, and so is a whole number that does not fit 64 bits.
        """
        return _with(self, inferred_type, usual)

    def as_written(self) -> DataFrame:
        """Return the rows, untyped columns as numbers only where those are written exactly like the cells."""
        return _with(self, _exact_type, exact)


def _with(dataset: Dataset, typed: Any, made: Any) -> DataFrame:
    frame = dataset.frame
    return frame.assign(
        **{name: made(typed(frame[name]) if name in dataset.untyped else frame[name]) for name in frame.columns}
    )


def exact(column: Series[Any]) -> Series[Any]:
    """Return a column in the type that pandas' users expect, and in a nullable one where it has missing values."""
    import pandas as pd

    nullable = isinstance(column.dtype, pd.Int64Dtype | pd.UInt64Dtype | pd.BooleanDtype) and column.hasnans
    return column if nullable else usual(column)


def usual(column: Series[Any]) -> Series[Any]:
    """Return a column in the type that pandas' users expect; whole numbers next to a missing one keep their digits."""
    import pandas as pd

    if isinstance(column.dtype, pd.ArrowDtype):
        return pd.Series(column.array.__arrow_array__().to_pandas(), index=column.index, name=column.name)
    if not isinstance(column.dtype, pd.Int64Dtype | pd.UInt64Dtype | pd.BooleanDtype):
        return column
    if not column.hasnans:
        return column.astype(column.dtype.numpy_dtype)
    if isinstance(column.dtype, pd.BooleanDtype):
        return column.astype(object).where(column.notna(), None)
    return column.astype("float64") if bool((column.dropna().abs() <= EXACT).all()) else column


def inferred_type(column: Series[Any]) -> Series[Any]:
    """Return an untyped column as numbers or booleans, where every cell that holds something is written as one."""
    import pandas as pd
    import pyarrow as pa
    import pyarrow.compute as pc

    text = arrow_text(column)
    there = pc.if_else(pc.is_in(text, pa.array(MARKS)), pa.scalar(None, pa.string()), text).drop_null()
    if not len(there):
        return column
    if pc.all(pc.match_substring_regex(there, INTEGER)).as_py():
        whole = integers(text)
        return column if whole is None else whole
    if pc.all(pc.match_substring_regex(there, NUMBER)).as_py():
        if _loses_digits(there) or not pc.any(pc.match_substring_regex(there, "[0-9]")).as_py():
            return column
        return pd.Series(numbers(text).to_numpy(zero_copy_only=False), index=column.index, name=column.name)
    if pc.all(pc.is_in(there, pa.array(list(_BOOLEANS)))).as_py():
        found = [None if value is None else _BOOLEANS.get(value) for value in text.to_pylist()]
        return pd.Series(pd.array(found, dtype="boolean"), index=column.index, name=column.name)
    return column


def _exact_type(column: Series[Any]) -> Series[Any]:
    """Return an untyped column as numbers where their usual text is what the cells say; no mark stands for missing."""
    import pandas as pd
    import pyarrow as pa
    import pyarrow.compute as pc

    text = arrow_text(column)
    there = text.drop_null()
    if not len(there):
        return column
    if pc.all(pc.match_substring_regex(there, INTEGER)).as_py() and not pc.any(pc.equal(there, "-0")).as_py():
        whole = integers(text)
        return column if whole is None else whole
    if pc.all(pc.match_substring_regex(there, NUMBER)).as_py():
        found = pc.cast(there, pa.float64())
        if [repr(value) for value in found.to_pylist()] == there.to_pylist():
            values = pc.cast(text, pa.float64()).to_numpy(zero_copy_only=False)
            return pd.Series(values, index=column.index, name=column.name)
    return column


def integers(text: Any) -> Series[Any] | None:
    """Return whole numbers of 64 bits, missing where a cell is a mark; ``None`` when one does not fit.

    Args:
        text: Arrow's text, each cell a whole number, a mark or missing.
    """
    import pandas as pd
    import pyarrow as pa

    try:
        found = _unmarked(text).cast(pa.int64())
    except pa.ArrowInvalid:
        return None
    return pd.Series(found.to_pandas(types_mapper={pa.int64(): pd.Int64Dtype()}.get))


def numbers(text: Any) -> Any:
    """Return numbers of floating point as Arrow has them, missing where a cell is a mark.

    Args:
        text: Arrow's text, each cell a number, a mark or missing.
    """
    import pyarrow as pa

    return _unmarked(text).cast(pa.float64())


def arrow_text(column: Series[Any]) -> Any:
    """Return a column of text, with missing values, as Arrow has it."""
    import pandas as pd
    import pyarrow as pa

    if isinstance(column.dtype, pd.ArrowDtype):
        return pa.chunked_array(column.array.__arrow_array__())
    return pa.chunked_array([pa.array(column, type=pa.string(), from_pandas=True)])


def from_objects(values: Sequence[Any]) -> Series[Any]:
    """Return values of JSON as a column, of one type where they are of one; nothing is read into a text."""
    import pandas as pd

    kinds = {type(value) for value in values if value is not None}
    if kinds == {bool}:
        return pd.Series(pd.array(list(values), dtype="boolean"))
    if kinds == {int} and all(value is None or -(2**63) <= value < 2**63 for value in values):
        return pd.Series(pd.array(list(values), dtype="Int64"))
    if kinds == {float} or (
        kinds == {int, float} and all(abs(value) <= EXACT for value in values if isinstance(value, int))
    ):
        return pd.Series([float("nan") if value is None else float(value) for value in values], dtype="float64")
    return pd.Series(list(values), dtype=None if kinds == {str} else object)


def joined(parts: Sequence[Series[Any]]) -> Series[Any]:
    """Return the same column of several files as one; whole numbers among others keep their digits."""
    import pandas as pd
    from pandas.api.types import is_float_dtype, is_integer_dtype

    if len({part.dtype for part in parts}) > 1:
        whole = [part for part in parts if is_integer_dtype(part.dtype) and part.notna().any()]
        if any(is_float_dtype(part.dtype) for part in parts) and any(bool(part.abs().max() > EXACT) for part in whole):
            parts = [part.astype(object) for part in parts]
    return pd.concat(list(parts), ignore_index=True)


def _unmarked(text: Any) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.if_else(pc.is_in(text, pa.array(MARKS)), pa.scalar(None, pa.string()), text)


def is_held(text: str) -> bool:
    """Whether floating point holds what a text of a number says: all digits of a whole one, no infinity for ``1e999``.

    Args:
        text: Digits, or a number with a fraction or an exponent.
    """
    value = float(text)
    if math.isinf(value):
        return not any(character.isdigit() for character in text)
    digits = text.lstrip("+-").lstrip("0") or "0"
    return not digits.isdigit() or int(digits) == abs(int(value))


def _loses_digits(there: Any) -> bool:
    """Whether numbers among these are beyond what floating point holds."""
    import pyarrow.compute as pc

    large = pc.match_substring_regex(there, f"^-?[0-9]{{16,}}$|[0-9]{{300}}|{_LARGE_EXPONENT}")
    return not all(map(is_held, there.filter(large).to_pylist()))
