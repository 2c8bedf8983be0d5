"""One table of conversions: what of a column is a number, a whole number, a boolean, a text, a time.

Nothing is guessed and no digit is lost: a value that is not one of these as it stands is wrong, and the caller says
what becomes of its row.

| wanted | taken |
| --- | --- |
| number | numbers, booleans as 0 and 1, text of a number (``-1.5e3``); no whole number that it cannot hold exactly |
| whole number | whole numbers in range, also as ``3.0``, text of one (``00042``) |
| boolean | booleans, 0 and 1, text of ``true`` or ``false`` in any case, ``0`` or ``1`` |
| text | text, whole numbers as they are written |
| time | times, dates, text of ISO 8601; with a time zone it becomes UTC |

A column of a text format may say ``NA``, ``null`` and the like (``columns.MARKS``) for a missing value, unless text is
wanted. Categories are what they stand for.
"""

from __future__ import annotations

import datetime as dt
import decimal
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.runtime.stages.dataset.columns import EXACT, MARKS, arrow_text, is_held, usual

if TYPE_CHECKING:
    from numpy import ndarray
    from pandas import Series

_INTEGER = re.compile(r"[+-]?[0-9]+")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|[+-]?(?:inf|Infinity)|nan|NaN")
_TIME = re.compile(
    r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:[.,]\d{1,9})?)?(?:Z|[+-]\d{2}:?\d{2})?)?",
)
_MOST_DIGITS = 30
_BOOLEANS = {"true": True, "false": False, "1": True, "0": False}


@dataclass(frozen=True)
class Converted:
    """A column in another type.

    Attributes:
        values: The column; missing where a value is missing or wrong.
        wrong: Which values are not what is wanted.
        wanted: What is, for people.
    """

    values: Series[Any]
    wrong: ndarray[Any, Any]
    wanted: str


def to_numbers(column: Series[Any], *, untyped: bool, bits: int = 64) -> Converted:
    """Convert to numbers of floating point with 32 or 64 bits, missing ones as NaN."""
    import numpy as np

    column = _plain(column, untyped=untyped)
    dtype = "float32" if bits == 32 else "float64"
    wrong: ndarray[Any, Any] = np.zeros(len(column), bool)
    if column.dtype.kind in "fb" or (column.dtype.kind in "iu" and column.between(-EXACT, EXACT).all()):
        values = column.astype("float64")
    elif _is_text(column):
        values, wrong = _text_numbers(column)
    else:
        values, wrong = _each(column, _number, dtype="float64")
    with np.errstate(over="ignore"):
        kept = values.astype(dtype)
    beyond = np.isinf(kept.to_numpy()) & ~np.isinf(values.to_numpy())
    return Converted(kept.mask(beyond), wrong | beyond, "a number")


def to_integers(column: Series[Any], *, untyped: bool, bits: int = 64) -> Converted:
    """Convert to whole numbers with 32 or 64 bits, nullable ones of pandas."""
    import numpy as np
    import pandas as pd

    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    wanted = f"a whole number from {low} to {high}"

    def whole(value: Any) -> int:
        number = _whole(value)
        if not low <= number <= high:
            raise ValueError(number)
        return number

    column = _plain(column, untyped=untyped)
    if column.dtype.kind in "iu" and not isinstance(column.dtype, pd.api.extensions.ExtensionDtype):
        inside = column.between(low, high)
        return Converted(column.where(inside, 0).astype("Int64").mask(~inside), (~inside).to_numpy(), wanted)
    if bits == 64 and _is_text(column) and (found := _text_integers(column)) is not None:
        return Converted(found, np.zeros(len(column), bool), wanted)
    values, wrong = _each(column, whole, dtype="Int64")
    return Converted(values, wrong, wanted)


def to_booleans(column: Series[Any], *, untyped: bool) -> Converted:
    """Convert to booleans, nullable ones of pandas."""
    column = _plain(column, untyped=untyped)
    values, wrong = _each(column, _boolean, dtype="boolean")
    return Converted(values, wrong, "a boolean (true, false, 1 or 0)")


def to_texts(column: Series[Any], *, untyped: bool) -> Converted:
    """Convert to text; of a text format each cell is what it says, ``NA`` too."""
    import numpy as np

    if untyped:
        return Converted(usual(column), np.zeros(len(column), bool), "text")
    column = _plain(column, untyped=False)
    if column.dtype.kind != "O" and _is_text(column):
        return Converted(column, np.zeros(len(column), bool), "text")
    values, wrong = _each(column, _text, dtype=None)
    return Converted(values, wrong, "text")


def to_times(column: Series[Any], *, untyped: bool) -> Converted:
    """Convert to times without a zone, of nanoseconds."""
    import numpy as np
    import pandas as pd

    column = _plain(column, untyped=untyped)
    wanted = "a date or time such as 2024-05-01 or 2024-05-01T10:00:00+02:00"
    if column.dtype.kind == "M":
        zoned = isinstance(column.dtype, pd.DatetimeTZDtype)
        naive = column.dt.tz_convert("UTC").dt.tz_localize(None) if zoned else column
        inside = naive.isna() | naive.between(pd.Timestamp.min, pd.Timestamp.max)
        return Converted(naive.where(inside).astype("datetime64[ns]"), (~inside).to_numpy(), wanted)
    text, wrong = _each(column, _time_text, dtype=None)
    # What has no zone is taken as it is, what has one is brought to UTC.
    times = pd.to_datetime(text.astype(object), format="ISO8601", utc=True, errors="coerce").dt.tz_localize(None)
    inside = times.isna() | times.between(pd.Timestamp.min, pd.Timestamp.max)
    beyond = (text.notna() & times.isna()) | ~inside
    return Converted(times.where(inside).astype("datetime64[ns]"), np.asarray(wrong | beyond.to_numpy()), wanted)


def _plain(column: Series[Any], *, untyped: bool) -> Series[Any]:
    """Return categories as what they stand for, and missing values in the place of a text format's marks."""
    import pandas as pd

    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(column.cat.categories.dtype if not column.hasnans else object)
    if untyped:
        text = usual(column)
        return text.mask(text.isin(MARKS))
    if isinstance(column.dtype, pd.Int64Dtype | pd.UInt64Dtype | pd.BooleanDtype) and not column.hasnans:
        return column.astype(column.dtype.numpy_dtype)
    return column


def _is_text(column: Series[Any]) -> bool:
    import pandas as pd

    return isinstance(column.dtype, pd.StringDtype)


def _each(column: Series[Any], convert: Callable[[Any], Any], *, dtype: str | None) -> tuple[Series[Any], Any]:
    """Convert the distinct values one by one."""
    import numpy as np
    import pandas as pd

    missing = column.isna().to_numpy()
    found: dict[Any, Any] = {}
    values: list[Any] = []
    wrong: ndarray[Any, Any] = np.zeros(len(column), bool)
    for index, value in enumerate(_python_values(column)):
        if missing[index]:
            values.append(None)
            continue
        key = (type(value), value) if isinstance(value, str | int | float | bool) else None
        if key is None or key not in found:
            try:
                result = convert(value)
            except (ValueError, TypeError, OverflowError, decimal.InvalidOperation):
                result = _WRONG
            if key is not None:
                found[key] = result
        else:
            result = found[key]
        wrong[index] = result is _WRONG
        values.append(None if result is _WRONG else result)
    if dtype == "float64":
        array: Any = np.array([np.nan if value is None else value for value in values], dtype="float64")
    elif dtype is None:
        array = values
    else:
        array = pd.array(values, dtype=dtype)
    return pd.Series(array, index=column.index, name=column.name), wrong


_WRONG = object()


def _python_values(column: Series[Any]) -> list[Any]:
    values: list[Any] = arrow_text(column).to_pylist() if _is_text(column) else column.tolist()
    return values


def _number(value: Any) -> float:
    if isinstance(value, str):
        if not _NUMBER.fullmatch(value) or not is_held(value):
            raise ValueError(value)
        return float(value)
    if isinstance(value, bool):
        return float(value)
    if isinstance(value, int):
        return _exactly(value)
    if isinstance(value, decimal.Decimal) and value == value.to_integral_value():
        return _exactly(int(value))
    if isinstance(value, float | decimal.Decimal) or hasattr(value, "__float__"):
        return float(value)
    raise TypeError(value)


def _exactly(value: int) -> float:
    number = float(value)
    if abs(value) > EXACT and int(number) != value:
        raise ValueError(value)
    return number


def _whole(value: Any) -> int:
    if isinstance(value, str):
        if _INTEGER.fullmatch(value):
            return int(value)
        if not _NUMBER.fullmatch(value):
            raise ValueError(value)
        value = decimal.Decimal(value)
        if value.adjusted() > _MOST_DIGITS:
            # 1e999999999 is short to write and long to count.
            raise ValueError(value)
    if isinstance(value, bool):
        raise TypeError(value)
    if value != int(value):
        raise ValueError(value)
    return int(value)


def _boolean(value: Any) -> bool:
    if isinstance(value, str):
        found = _BOOLEANS.get(value.lower())
        if found is None:
            raise ValueError(value)
        return found
    if isinstance(value, bool) or value in (0, 1):
        return bool(value)
    raise ValueError(value)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise TypeError(value)


def _time_text(value: Any) -> str:
    if isinstance(value, str):
        if not _TIME.fullmatch(value):
            raise ValueError(value)
        return value.replace(",", ".")
    if isinstance(value, dt.date):
        return value.isoformat()
    raise TypeError(value)


def _text_numbers(column: Series[Any]) -> tuple[Series[Any], Any]:
    """Convert text at once, as :func:`_number` does one by one."""
    import numpy as np
    import pandas as pd
    import pyarrow as pa
    import pyarrow.compute as pc

    text = arrow_text(column)
    sound = pc.fill_null(pc.match_substring_regex(text, f"^(?:{_NUMBER.pattern})$"), False)
    digits = pc.if_else(sound, pc.replace_substring_regex(text, r"^\+", ""), pa.scalar(None, pa.string()))
    values = pc.cast(digits, pa.float64()).to_numpy()
    wrong = (pc.is_valid(text).to_numpy()) & ~sound.to_numpy()
    for index in np.flatnonzero(np.abs(values) >= EXACT):
        wrong[index] = not is_held(digits[int(index)].as_py())
    return pd.Series(np.where(wrong, np.nan, values), index=column.index, name=column.name), wrong


def _text_integers(column: Series[Any]) -> Series[Any] | None:
    """Convert text at once where every value is a whole number of 64 bits, else return ``None``."""
    import pandas as pd
    import pyarrow as pa
    import pyarrow.compute as pc

    text = arrow_text(column)
    if not pc.all(pc.match_substring_regex(text, f"^{_INTEGER.pattern}$"), min_count=0).as_py():
        return None
    try:
        found = pc.replace_substring_regex(text, r"^\+", "").cast(pa.int64())
    except pa.ArrowInvalid:
        return None
    values = found.to_pandas(types_mapper={pa.int64(): pd.Int64Dtype()}.get)
    return values.set_axis(column.index).rename(column.name)
