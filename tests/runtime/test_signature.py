"""The same rows are the same for a model, whatever file they came in; what is not what it takes is named."""

import datetime as dt
import json
import math

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mlflow.models.utils import _enforce_schema
from mlflow.types import ColSpec, DataType, Schema

from airflow_ml_provider.runtime.errors import BadDataError
from airflow_ml_provider.runtime.stages.dataset.columns import Dataset
from airflow_ml_provider.runtime.stages.dataset.reading import read_dataset
from airflow_ml_provider.runtime.stages.dataset.signature import features_of

VALUES = {
    "boolean": st.booleans(),
    "integer": st.integers(-(2**31), 2**31 - 1),
    "long": st.integers(-(2**63), 2**63 - 1),
    "float": st.floats(width=32, allow_nan=False, allow_infinity=False),
    "double": st.floats(allow_nan=False, allow_infinity=False),
    "string": st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=12),
    "datetime": st.datetimes(dt.datetime(1980, 1, 1), dt.datetime(2100, 1, 1)),
}


@st.composite
def tables(draw):
    """A signature, and rows that it takes, some of their values missing."""
    kinds = draw(st.lists(st.sampled_from(sorted(VALUES)), min_size=1, max_size=5))
    rows = draw(st.integers(1, 6))
    specs, columns = [], {}
    for number, kind in enumerate(kinds):
        required = draw(st.booleans())
        may_miss = not required or kind in ("float", "double", "string", "datetime")
        value = st.one_of(st.none(), VALUES[kind]) if may_miss else VALUES[kind]
        specs.append(ColSpec(DataType[kind], f"c{number}", required=required))
        columns[f"c{number}"] = draw(st.lists(value, min_size=rows, max_size=rows))
    # A line of csv that is empty is not a row: this column is always there.
    specs.append(ColSpec(DataType.long, "row"))
    return Schema(specs), {**columns, "row": list(range(rows))}


def text(value):
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return (
        value.isoformat()
        if isinstance(value, dt.datetime)
        else str(value)
        if not isinstance(value, float)
        else repr(value)
    )


def write(folder, columns):
    """Write the same rows in each format."""
    import csv

    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    for name, delimiter in (("rows.csv", ","), ("rows.tsv", "\t")):
        with (folder / name).open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, delimiter=delimiter)
            writer.writerow(columns)
            writer.writerows([text(value) for value in row.values()] for row in rows)
    plain = [
        {key: value.isoformat() if isinstance(value, dt.datetime) else value for key, value in row.items()}
        for row in rows
    ]
    (folder / "rows.json").write_text(json.dumps(plain), encoding="utf-8")
    (folder / "rows.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in plain), encoding="utf-8")
    pd.DataFrame(
        {
            name: pd.array(values, dtype="Int64") if all(v is None or type(v) is int for v in values) else values
            for name, values in columns.items()
        }
    ).to_parquet(folder / "rows.parquet")
    return [folder / f"rows.{suffix}" for suffix in ("csv", "tsv", "json", "jsonl", "parquet")]


def given_to_the_model(features):
    """Return the value of each cell that the model is given, by row and column."""
    found = {}
    for batch in features.batches(1000):
        for name in batch.columns:
            for index, value in batch[name].items():
                missing = (
                    value is None
                    or value is pd.NA
                    or value is pd.NaT
                    or (isinstance(value, float) and math.isnan(value))
                )
                found[index, name] = None if missing else value
    return found


@settings(max_examples=150, deadline=None)
@given(tables())
def test_the_same_rows_in_any_format_are_the_same_frame(tmp_path_factory, table):
    schema, columns = table
    seen = []
    for path in write(tmp_path_factory.mktemp("rows"), columns):
        features = features_of(read_dataset(path, name="data"), schema, name="data", model="m")
        assert features.reasons == {}, (path.name, features.reasons)
        for batch in features.batches(1000):
            _enforce_schema(batch, schema)
        seen.append(given_to_the_model(features))
        dtypes = [str(batch.dtypes.to_dict()) for batch in features.batches(1000)]
        assert dtypes, path.name
    assert all(one == seen[0] for one in seen), seen
    for (index, name), value in seen[0].items():
        wanted = columns[name][index]
        if schema.input_dict()[name].type == DataType.float and wanted is not None:
            assert float(value) == pytest.approx(wanted, rel=1e-6)
        else:
            assert (value if wanted is None or not isinstance(wanted, dt.datetime) else value.to_pydatetime()) == wanted
    lacking = {(index, name) for name, values in columns.items() for index in range(len(values))} - seen[0].keys()
    for index, name in lacking:
        assert columns[name][index] is None
        assert schema.input_dict()[name].type in (DataType.integer, DataType.long)


LONGS = "'1_000'", "'1.5'", "'9223372036854775808'", "'1,5'", "missing"
TIMES = "2024-05-01 00:00:00", "2024-05-01 08:00:00", "2024-05-01 10:00:00.500000"
CASES = [
    ("boolean", ["true", "False", "TRUE", "0", "1"], [True, False, True, False, True]),
    ("boolean", ["yes", "2", "0.5"], ["'yes'", "'2'", "'0.5'"]),
    ("boolean", [1, 0.0, True], [True, False, True]),
    ("long", ["00042", "3.0", "-7", "1e3"], [42, 3, -7, 1000]),
    ("long", ["1e999999999", "-1e40", "9" * 70], None),
    ("double", ["0" * 4400 + "7"], [7.0]),
    ("double", ["0" * 4400 + "9007199254740993"], None),
    ("double", ["1e999", "9" * 70, "5e1e1"], None),
    ("double", [2**53, -3, 9007199254740993], ["9007199254740993"]),
    ("long", ["1_000", "1.5", "9223372036854775808", "1,5", ""], LONGS),
    ("integer", [3_000_000_000, 8.5, True], ["3000000000", "8.5", "True"]),
    ("double", ["1e3", "-.5", "7", "inf"], [1000.0, -0.5, 7.0, math.inf]),
    ("double", ["9007199254740993", "1,5", "0x1F", "one"], ["'9007199254740993'", "'1,5'", "'0x1F'", "'one'"]),
    ("double", [9007199254740993], ["9007199254740993"]),
    ("float", [1e300], ["1e+300"]),
    ("string", [1234, "01234"], ["1234", "01234"]),
    ("string", [1.5, True], ["1.5", "True"]),
    ("datetime", ["2024-05-01", "2024-05-01T10:00:00+02:00", "2024-05-01 10:00:00.5"], TIMES),
    ("datetime", ["never", "1717000000", "2024-13-01", "9999-01-01"], None),
    ("datetime", [1717000000], ["1717000000"]),
]


@pytest.mark.parametrize(("kind", "values", "wanted"), CASES)
def test_what_a_model_takes_and_what_it_does_not(kind, values, wanted):
    schema = Schema([ColSpec(DataType[kind], "c")])
    untyped = frozenset({"c"}) if all(isinstance(value, str) for value in values) else frozenset()
    column = pd.Series(
        [value or None for value in values] if untyped else values, dtype=object if not untyped else None
    )
    features = features_of(Dataset(pd.DataFrame({"c": column}), untyped), schema, name="data", model="m")
    refused = [features.reasons[index].text for index in sorted(features.reasons)]
    if refused:
        for told, value in zip(refused, wanted or map(repr, values), strict=True):
            shown = value if len(value) <= 80 else f"{value[:77]}..."
            assert told.startswith(f"c is {shown}, "), told
            assert told.endswith(" is wanted")
    else:
        (batch,) = features.batches(100)
        found = [str(value) if kind in ("datetime", "string") else value for value in batch["c"]]
        assert found == list(wanted)
        _enforce_schema(batch, schema)


def test_categories_and_decimals_are_what_they_stand_for():
    from decimal import Decimal

    frame = pd.DataFrame(
        {"kind": pd.Categorical(["DE", None]), "rank": pd.Categorical([1, 2]), "price": [Decimal("1.5"), None]}
    )
    schema = Schema(
        [ColSpec(DataType.string, "kind"), ColSpec(DataType.long, "rank"), ColSpec(DataType.double, "price")]
    )
    (batch,) = features_of(Dataset(frame), schema, name="data", model="m").batches(9)
    assert batch.astype(object).where(batch.notna(), None).to_dict("list") == {
        "kind": ["DE", None],
        "rank": [1, 2],
        "price": [1.5, None],
    }


def test_an_optional_column_may_be_away_and_a_wanted_one_may_not():
    schema = Schema([ColSpec(DataType.double, "x"), ColSpec(DataType.long, "z", required=False)])
    (batch,) = features_of(Dataset(pd.DataFrame({"x": [1, 2]})), schema, name="data", model="m").batches(9)
    assert list(batch.columns) == ["x"]
    with pytest.raises(BadDataError, match="data has no column 'x', which m wants; it has z"):
        features_of(Dataset(pd.DataFrame({"z": [1]})), schema, name="data", model="m")
