"""What is odd about rows by themselves, next to those of the reference."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pandas import DataFrame


def quality(
    reference: DataFrame, current: DataFrame, columns: Sequence[str], *, ignored: Collection[str]
) -> dict[str, float]:
    """Return metrics of the column in which each is worst.

    ``missing_share``: by how much more values are missing; ``unseen_share``: values of a column that is neither number
    nor time, which the reference does not have; ``outside_share``: numbers below its smallest or above its largest;
    ``duplicate_share``: rows that are there before; ``changed_columns``: columns that only one of the two has.
    """
    from pandas.api.types import is_bool_dtype, is_datetime64_any_dtype, is_numeric_dtype

    missing, unseen, outside = [0.0], [0.0], [0.0]
    for name in columns:
        before, now = reference[name], current[name]
        missing.append(float(now.isna().mean() - before.isna().mean()))
        values = now.dropna()
        if is_numeric_dtype(before) and is_numeric_dtype(now) and not is_bool_dtype(before):
            beyond = (values < before.min()) | (values > before.max())
            outside.append(float(beyond.mean()) if len(values) else 0.0)
        elif not (is_numeric_dtype(before) or is_datetime64_any_dtype(before)):
            strange = ~values.astype(str).isin(set(before.dropna().astype(str)))
            unseen.append(float(strange.mean()) if len(values) else 0.0)
    odd = (set(reference.columns) ^ set(current.columns)) - set(ignored)
    return {
        "missing_share": max(missing),
        "unseen_share": max(unseen),
        "outside_share": max(outside),
        "duplicate_share": float(current[list(columns)].astype(str).duplicated().mean()),
        "changed_columns": float(len(odd)),
    }
