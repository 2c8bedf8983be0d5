"""Values arrive as they are written, whatever file they came in; what other tools leave next to it is not data."""

import gzip
import json

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from airflow_ml_provider.runtime.errors import BadDataError, ContractError
from airflow_ml_provider.runtime.stages.dataset.alignment import like, standard
from airflow_ml_provider.runtime.stages.dataset.reading import read_dataset
from airflow_ml_provider.runtime.stages.dataset.writing import json_lines
from airflow_ml_provider.runtime.stages.monitor.drift import compare
from airflow_ml_provider.runtime.stages.monitor.quality import quality


@pytest.fixture
def write(tmp_path):
    def written(name, content):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return written


def records(frame):
    return frame.astype(object).where(frame.notna(), None).to_dict("records")


def read(path):
    return records(read_dataset(path, name="data").inferred())


ODD = [
    "00001",
    "1_1",
    "01:30",
    "+49",
    "1.5e",
    "0x1F",
    "١٢",
    "1 000",
    "2024-05",
    "True story",
    "12345678901234567890123",
]


@pytest.mark.parametrize("text", ODD)
def test_text_that_looks_like_something_else_stays_text(write, text):
    for path in (
        write("a.csv", f"x,timestamp\n{text},1717000000\n"),
        write("a.tsv", f"x\ttimestamp\n{text}\t1717000000\n"),
        write("a.jsonl", json.dumps({"x": text, "timestamp": 1717000000}) + "\n"),
        write("a.json", json.dumps([{"x": text, "timestamp": 1717000000}])),
    ):
        assert read(path) == [{"x": text, "timestamp": 1717000000}], path.name


@pytest.mark.parametrize("text", ["NA", "None", "null", "nan", "N/A"])
def test_a_mark_is_missing_among_numbers_and_a_text_among_texts(write, text):
    assert read(write("a.csv", f"x,y\n{text},{text}\nDE,1\n")) == [{"x": text, "y": None}, {"x": "DE", "y": 1.0}]
    assert read(write("a.jsonl", f'{{"x": "{text}"}}\n{{"x": null}}\n')) == [{"x": text}, {"x": None}]


def test_no_digit_is_lost(write):
    big = 9007199254740993
    for path in (
        write("a.csv", f"id,x\n{big},1\n,2\n"),
        write("a.jsonl", f'{{"id": {big}, "x": 1}}\n{{"id": null, "x": 2}}\n'),
    ):
        assert read(path) == [{"id": big, "x": 1}, {"id": None, "x": 2}]
    pd.DataFrame({"id": pd.array([big, None], dtype="Int64"), "x": [1, 2]}).to_parquet(path.with_name("a.parquet"))
    assert read(path.with_name("a.parquet")) == [{"id": big, "x": 1}, {"id": None, "x": 2}]
    assert read(write("b.csv", f"id\n{big}\n1.5\n")) == [{"id": str(big)}, {"id": "1.5"}]


def test_what_goes_along_is_written_as_it_was(write):
    dataset = read_dataset(write("a.csv", "a,b,c,d,e\n1,1.50,0.1,True,\n,2,3.25,false,x\n"), name="data")
    written = [json.loads(line) for line in json_lines(dataset.as_written())]
    assert written == [
        {"a": 1, "b": "1.50", "c": 0.1, "d": "True", "e": None},
        {"a": None, "b": "2", "c": 3.25, "d": "false", "e": "x"},
    ]
    assert dataset.as_written().to_csv(index=False) == "a,b,c,d,e\n1,1.50,0.1,True,\n,2,3.25,false,x\n"
    (line,) = json_lines(pd.DataFrame({"tiny": [1e-300], "third": [1 / 3], "none": [float("nan")]}))
    assert json.loads(line) == {"tiny": 1e-300, "third": 1 / 3, "none": None}


@pytest.mark.parametrize(
    "adjacent",
    ["_SUCCESS", "._part-0.crc", ".part-0.parquet.crc", "part-0.crc", "_metadata/x", "_delta_log/0.json", ".DS_Store"],
)
def test_what_other_tools_leave_next_to_is_passed_over(write, adjacent):
    (path := write("out/part-0.parquet", b"")).unlink()
    pd.DataFrame({"a": [1, 2]}).to_parquet(path)
    write(f"out/{adjacent}", b"\0crc")
    assert read(path.parent) == [{"a": 1}, {"a": 2}]


def test_folders_of_hive_are_columns(write):
    for year, month in ((2023, "01"), (2024, "__HIVE_DEFAULT_PARTITION__")):
        write(f"hive/year={year}/city=S%C3%A3o%20Paulo/month={month}/p.csv", f"a\n{year % 100}\n")
    assert read(write("hive/_SUCCESS", "").parent) == [
        {"a": 23, "year": 2023, "city": "São Paulo", "month": "01"},
        {"a": 24, "year": 2024, "city": "São Paulo", "month": None},
    ]
    one = read_dataset(write("hive/x", "").parent, name="data", only="year=2023/city=S%C3%A3o%20Paulo/month=01/p.csv")
    assert records(one.inferred()) == [{"a": 23, "year": 2023, "city": "São Paulo", "month": "01"}]


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"a.csv": ""}, "data/a.csv is empty: it has 0 bytes"),
        ({"_SUCCESS": ""}, "data is a folder without a file of data: it has _SUCCESS, which hold no rows"),
        ({"a.csv": "a,b\n"}, "data/a.csv has no rows"),
        ({"a.csv": "a,a,b\n1,2,3\n"}, "data/a.csv cannot be read as csv: two columns are called 'a': rename one"),
        ({"a.jsonl": '{"a": 1, "a": 2}\n'}, "cannot be read as jsonl: two columns are called 'a'"),
        ({"a=1/x.csv": "a\n1\n"}, "data/a=1/x.csv has a column 'a', and lies in a folder a=..."),
        ({"a.csv": "a,b\n1,2\nsecret,5,6\n"}, "data/a.csv cannot be read as csv: row 3 has 3 cells, the header 2"),
        ({"a.csv": "a,b\n1,2\nsecret\n"}, "row 3 has 1 cells, the header 2"),
        ({"a.csv": "n\nJos\xe9\n".encode("latin-1")}, "data/a.csv cannot be read as csv: it is not UTF-8"),
        (
            {"a.jsonl": '{"a": 1}\n{"secret": \n'},
            "cannot be read as jsonl: line 2 is not JSON: Expecting value (column 11)",
        ),
        ({"a.jsonl": '{"a": 1}\n["secret"]\n'}, "row 2 is not an object of values by column"),
        ({"a.json": '{"secret": '}, "cannot be read as json: Expecting value (line 1, column 12)"),
        ({"a.json": '{"a": [1], "b": [1, 2]}'}, "its columns have different lengths"),
        ({"a.json": '"secret"'}, "neither a list of objects nor an object of columns"),
        ({"a.parquet": b"PAR1 secret PAR1"}, "data/a.parquet cannot be read as parquet"),
        ({"a.csv.gz": b"secret"}, "data/a.csv.gz cannot be read as csv: BadGzipFile"),
        ({"a.csv": "a,b\n1,2\n", "b.csv": "a,c\n1,2\n"}, "data/b.csv has other columns than data/a.csv: b, c"),
    ],
)
def test_what_is_no_table_is_bad_data_with_the_files_name_and_none_of_its_values(write, files, says):
    for name, content in files.items():
        folder = write(f"data/{name}", content)
    folder = next(parent for parent in folder.parents if parent.name == "data")
    with pytest.raises(BadDataError) as caught:
        read_dataset(folder, name="data")
    assert says in str(caught.value)
    assert "secret" not in str(caught.value).replace("row 3 has", "").replace("data/", "")


def test_a_binary_file_of_no_known_format_is_named(write):
    with pytest.raises(ContractError, match=r"data has no known format; known are .csv, .tsv"):
        read_dataset(write("a.xlsx", b"PK\x03\x04\0\0"), name="data")


def test_formats_by_first_bytes_encodings_and_compressions(write):
    assert read(write("flights-2013.01", "\ufeffid,x\r\n1,2\r\n")) == [{"id": 1, "x": 2}]
    assert read(write("out", '{"id": 1}\n')) == read(write("other", '[{"id": 1}]')) == [{"id": 1}]
    assert read(write("a.csv.gz", gzip.compress(b'a,b\n"x\ny","p,q"\n'))) == [{"a": "x\ny", "b": "p,q"}]
    assert read(write("c.json", '{"a": {"0": 1, "1": 2}, "b": ["x", null]}')) == [
        {"a": 1, "b": "x"},
        {"a": 2, "b": None},
    ]
    assert read(write("n.jsonl", '{"a": NaN, "b": {"c": [1]}}\n{"a": 1}\n')) == [
        {"a": None, "b": {"c": [1]}},
        {"a": 1.0, "b": None},
    ]


def test_files_of_several_formats_are_one_table(write):
    write("mixed/a.csv", "id,name\n1,00042\n")
    write("mixed/b.jsonl", '{"name": "7", "id": 2}\n')
    assert read(write("mixed/.x", "").parent) == [{"id": 1, "name": "00042"}, {"id": 2, "name": "7"}]


HOURS = pd.date_range("2024-01-01", periods=500, freq="h")


@pytest.mark.parametrize(
    "name",
    ["same.parquet", "ms.parquet", "zoned.parquet", "same.csv", "same.jsonl", "next_week.parquet", "next_week.csv"],
)
def test_equal_times_are_no_drift_and_the_next_week_is_not_unseen(tmp_path, name):
    kinds = pd.Series([f"k{number % 3}" for number in range(500)])
    table = pd.DataFrame(
        {"at": HOURS, "x": range(500), "kind": kinds.astype("category"), "id": [f"{n:05d}" for n in range(500)]}
    )
    table.to_parquet(tmp_path / "reference.parquet")
    moved = table.assign(at=HOURS + pd.Timedelta("7D")) if name.startswith("next") else table
    if name.startswith("ms"):
        moved = moved.assign(at=HOURS.as_unit("ms"), kind=kinds)
    if name.startswith("zoned"):
        moved = moved.assign(at=HOURS.tz_localize("UTC").tz_convert("Asia/Kolkata"))
    path = tmp_path / name
    {".parquet": moved.to_parquet, ".csv": lambda file: moved.to_csv(file, index=False)}.get(
        path.suffix, lambda file: moved.to_json(file, orient="records", lines=True, date_format="iso")
    )(path)
    reference = standard(read_dataset(tmp_path / "reference.parquet", name="reference"))
    current = like(read_dataset(path, name="current"), reference)
    assert [one.column for one in compare(reference, current) if one.drifted] == []
    found = quality(reference, current, list(reference.columns), ignored=set())
    assert (found["unseen_share"], found["outside_share"]) == (0.0, 0.0)


def test_a_column_that_does_not_fit_the_reference_stays_as_it_is(write):
    reference = standard(read_dataset(write("r.csv", "a,b\n1,x\n2,y\n"), name="reference"))
    current = like(read_dataset(write("c.csv", "a,b\n1,5\nmany,6\n"), name="current"), reference)
    assert records(current) == [{"a": "1", "b": "5"}, {"a": "many", "b": "6"}]


@pytest.mark.parametrize("beyond", ["1e999", "9" * 400, "9" * 5000, "9007199254740993", "-1E+0400"])
def test_a_number_that_floating_point_does_not_hold_leaves_its_column_text(beyond, tmp_path):
    (tmp_path / "d.csv").write_text(f"x\n0.5\n{beyond}\n")
    assert list(read_dataset(tmp_path, name="d").inferred()["x"]) == ["0.5", beyond]


def test_infinity_is_a_number(tmp_path):
    (tmp_path / "d.csv").write_text("x\n0.5\n-inf\n1e300\n9007199254740992\n")
    assert list(read_dataset(tmp_path, name="d").inferred()["x"]) == [0.5, float("-inf"), 1e300, 2.0**53]


def columns_of(path, how="inferred"):
    table = getattr(read_dataset(path, name="d"), how)()
    return {name: [None if pd.isna(value) else value for value in table[name].tolist()] for name in table}


@pytest.mark.parametrize("how", ["inferred", "as_written"])
def test_whole_numbers_of_parquet_keep_their_digits_and_may_all_be_missing(tmp_path, how):
    whole = pa.table({"none": pa.array([None, None], pa.int64()), "hash": pa.array([2**63 + 1, None], pa.uint64())})
    pq.write_table(whole, tmp_path / "d.parquet")
    assert columns_of(tmp_path, how) == {"none": [None, None], "hash": [2**63 + 1, None]}


def test_an_index_of_pandas_that_has_a_name_is_a_column(tmp_path):
    for number, values in enumerate(([7, 8], ["x", "y"])):
        path = tmp_path / f"{number}.parquet"
        pd.DataFrame({"id": values, "x": [1, 2]}).set_index("id").to_parquet(path)
        assert columns_of(path) == {"id": values, "x": [1, 2]}
    pd.DataFrame({"x": [1, 2, 3]}).iloc[1:].to_parquet(tmp_path / "rows.parquet")
    assert columns_of(tmp_path / "rows.parquet") == {"x": [2, 3]}


def test_columns_of_json_are_put_together_by_the_index_of_their_rows(tmp_path):
    (tmp_path / "d.json").write_text('{"a": {"0": 1, "2": 3}, "b": {"0": 10, "1": 20}}')
    assert columns_of(tmp_path) == {"a": [1, 3, None], "b": [10, None, 20]}


def test_a_row_of_csv_may_be_longer_than_a_block_of_the_reader(tmp_path):
    (tmp_path / "d.csv").write_text(f"a,b\n1,{'x' * 20_000_000}\n2,y\n")
    found = columns_of(tmp_path)
    assert found["a"] == [1, 2]
    assert [len(text) for text in found["b"]] == [20_000_000, 1]


def test_empty_lines_before_the_header_are_passed_over_and_an_endless_header_is_bad_data(tmp_path):
    (tmp_path / "d.csv").write_text("\n\r\na,b\n1,2\n")
    assert columns_of(tmp_path) == {"a": [1], "b": [2]}
    (tmp_path / "d.csv").write_text(f'"{"h" * 140_000}",b\n1,2\n')
    with pytest.raises(BadDataError, match="cannot be read as csv: Error: field larger than field limit"):
        read_dataset(tmp_path, name="d")
