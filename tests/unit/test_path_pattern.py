"""Patterns with placeholders: what matches, and which partition it belongs to."""

import pytest

from airflow_ml_provider.artifacts.errors import StoreError
from airflow_ml_provider.artifacts.objects import write_object
from airflow_ml_provider.artifacts.path_pattern import PathPattern, literal_prefix, placeholders, source_folder
from airflow_ml_provider.artifacts.source_files import names_after, objects


@pytest.mark.parametrize(
    ("pattern", "partition", "path", "expected"),
    [
        ("raw/*.csv", None, "raw/a.csv", ""),
        ("raw/*.csv", None, "raw/a.txt", None),
        ("raw/{year}-{month}/*.csv", None, "raw/2013-01/a.csv", "2013-01"),
        ("raw/{year}-{month}/*.csv", None, "raw/2013-01/deep/a.csv", None),
        ("raw/year={y}/month={m}/**/*.csv", "{m}.{y}", "raw/year=2013/month=01/x/a.csv", "01.2013"),
        ("raw/{day}/{day}.csv", None, "raw/monday/monday.csv", "monday"),
        ("raw/{day}/{day}.csv", None, "raw/monday/tuesday.csv", None),
        ("raw/{day}-*.csv", None, "raw/2013-01-a.csv", "2013"),
        ("raw/{name}.csv", None, "raw/.csv", None),
        ("raw/{not a name}/*.csv", None, "raw/{not a name}/a.csv", ""),
        ("raw/a+b(c)/{x}.csv", None, "raw/a+b(c)/1.csv", "1"),
    ],
)
def test_what_matches_and_of_which_partition(pattern, partition, path, expected):
    assert PathPattern(pattern, partition).match(path) == expected


def test_what_is_listed_ends_before_the_first_wildcard_or_placeholder():
    assert literal_prefix("raw/fl-{year}/*.csv") == "raw/fl-"
    assert literal_prefix("raw/a.csv") == "raw/a.csv"
    assert source_folder("raw/fl-{year}/*.csv") == "raw/"
    assert placeholders("{b}/{a}/{b}") == ["b", "a"]


@pytest.mark.parametrize(
    ("pattern", "partition", "message"),
    [
        ("raw/**.csv", None, "is not a pattern"),
        ("raw/{a}{b}", None, "in {a}{b} nobody can tell where the placeholder ends"),
        ("raw/{day}*.csv", None, "in {day}[*] nobody"),
        ("raw/*{day}.csv", None, "in [*]{day} nobody"),
        ("raw/{day}/a", "{month}", "has no placeholder 'month'"),
    ],
)
def test_a_pattern_that_is_none(pattern, partition, message):
    with pytest.raises(StoreError, match=message):
        PathPattern(pattern, partition)


@pytest.fixture(params=["file", "memory", "s3"])
def store(request, tmp_path):
    if request.param == "file":
        return f"file://{tmp_path}/store"
    return request.getfixturevalue(f"{request.param}_store")


def test_partitions_and_markers_are_listed(store):
    for name in ("raw/2013-01/a.csv", "raw/2013-01/_DONE", "raw/2013-02/a.csv", "raw/readme", "raw/_DONE"):
        write_object(f"{store}/{name}", b"1")
    pattern = f"{store}/raw/201{{y}}-{{m}}/*.csv"
    found = {entry.uri.rpartition("raw/")[2]: entry.partition for entry in objects(pattern, partition="{m}/{y}")}
    assert found == {"2013-01/a.csv": "01/3", "2013-02/a.csv": "02/3"}
    found = {entry.uri.rpartition("raw/")[2] for entry in objects(pattern, marker="_DONE")}
    assert found == {"2013-01/a.csv", "2013-02/a.csv", "2013-01/_DONE", "_DONE"}


def test_names_after_another(store):
    for number in range(3):
        write_object(f"{store}/log/{number:04d}.json", b"1")
    assert names_after(f"{store}/log", "0000.json") == ["0001.json", "0002.json"]
    assert names_after(f"{store}/log", "") == ["0000.json", "0001.json", "0002.json"]
    assert names_after(f"{store}/nowhere", "") == []
