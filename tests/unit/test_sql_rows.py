"""Rows of a query as objects: what is asked of the database, and how watermarks of all types compare."""

import csv
import datetime as dt
import io
import sqlite3
from dataclasses import replace
from decimal import Decimal

import pytest
from airflow.providers.common.sql.hooks.sql import DbApiHook

from airflow_ml_provider.artifacts.ledger import Claim, End, Ledger
from airflow_ml_provider.decisions.data.new_data import Looking
from airflow_ml_provider.decisions.data.settling import Quiet
from airflow_ml_provider.errors import SourceUnavailableError, StageConfigurationError
from airflow_ml_provider.protocol.manifest import to_lines
from airflow_ml_provider.sources import sql_rows
from airflow_ml_provider.sources.origins import SqlRows
from airflow_ml_provider.sources.sql_rows import list_rows, read_rows

ROWS = SqlRows(sql="SELECT * FROM t WHERE k <> 'a%b'", watermark="at", key=("k",), conn_id="db", lookback=10.0)


class SqliteHook(DbApiHook):
    """What Airflow's own hook is, without its provider."""

    conn_name_attr = "sqlite_conn_id"
    placeholder = "?"

    def __init__(self, path):
        super().__init__()
        self.path = path

    def get_conn(self):
        return sqlite3.connect(self.path)


@pytest.fixture
def table(tmp_path, monkeypatch):
    """A table that connection ``db`` leads to; returns what runs statements."""
    hook = SqliteHook(tmp_path / "t.db")
    monkeypatch.setattr(
        sql_rows.BaseHook, "get_connection", lambda conn_id: type("C", (), {"get_hook": lambda self: hook})()
    )

    def run(statement, *values):
        with hook.get_conn() as connection:
            return connection.execute(statement, values).fetchall()

    run("CREATE TABLE t (k, at, amount)")
    return run


def claimed(*objects, outcome="committed"):
    ledger = Ledger()
    ledger.take(Claim(1, "r", 0.0, objects), End(outcome, "", 0.0))
    return ledger


def keys(found):
    return [entry.uri.rpartition("/")[2] for entry in found]


def test_first_all_rows_with_a_watermark_then_those_within_the_lookback(table):
    for key, at in (("x", 100), ("y", 95), ("z", 50), ("none", None)):
        table("INSERT INTO t VALUES (?, ?, 1)", key, at)
    found = list(list_rows(ROWS, Ledger()))
    assert sorted(keys(found)) == ["x", "y", "z"]
    ledger = claimed(*found)
    table("INSERT INTO t VALUES ('late', 91, 1)")
    assert sorted(keys(list_rows(ROWS, ledger))) == ["late", "x", "y"]
    assert keys(found for found in list_rows(ROWS, ledger) if not ledger.is_handed_out(found)) == ["late"]


def test_what_was_left_is_listed_however_far_the_others_are(table):
    """Partitions go on at their own pace."""
    rows = replace(ROWS, partition="amount")
    for key, at, part in (("eu0", 100, "eu"), ("eu1", 20, "eu"), ("us0", 90, "us"), ("us1", 10, "us")):
        table("INSERT INTO t VALUES (?, ?, ?)", key, at, part)

    def claim(ledger):
        looking = Looking(
            is_handed_out=ledger.is_handed_out, now=1e6, settling=Quiet(0.0), limit=10, returned=ledger.returned
        )
        for found in list_rows(rows, ledger):
            looking.add(found)
        seen = looking.result()
        number = ledger.last + 1
        ledger.take(Claim(number, "r", 0.0, seen.new, left=seen.left, gone=seen.gone), End("committed", "", 0.0))
        return Ledger.of_snapshot(number, ledger.as_snapshot(lookback=rows.lookback)), sorted(keys(seen.new))

    ledger, first = claim(Ledger())
    assert (first, ledger.left) == (["eu0", "eu1"], 10.0)
    table("INSERT INTO t VALUES ('eu2', 500, 'eu')")
    ledger, second = claim(ledger)
    assert second == ["eu2"]
    ledger, third = claim(ledger)
    assert (third, ledger.left) == (["us0", "us1"], None)
    assert ledger.begin(rows.lookback) == 490.0


def test_a_time_that_is_far_ahead_is_given_and_hides_nothing(table):
    table("INSERT INTO t VALUES ('typo', '2204-01-01', 1), ('x', '2013-01-02 10:00:00', 1)")
    found = list(list_rows(ROWS, Ledger()))
    ledger = Ledger()
    ledger.take(Claim(1, "r", 1.4e9, tuple(found)), End("committed", "", 0.0))
    table("INSERT INTO t VALUES ('y', '2013-01-02 10:00:05', 1)")
    assert sorted(keys(list_rows(ROWS, ledger))) == ["typo", "x", "y"]


def test_rows_that_are_gone_are_not_asked_for_again(table):
    for key, at in (("old", 1), ("new", 100)):
        table("INSERT INTO t VALUES (?, ?, 1)", key, at)
    found = {entry.uri: entry for entry in list_rows(ROWS, Ledger())}
    ledger = claimed(found["row://db/old"], outcome="released")
    table("DELETE FROM t WHERE k = 'old'")
    looking = Looking(
        is_handed_out=ledger.is_handed_out, now=1e6, settling=Quiet(0.0), limit=10, returned=ledger.returned
    )
    for entry in list_rows(ROWS, ledger):
        looking.add(entry)
    seen = looking.result()
    assert (keys(seen.new), keys(seen.gone)) == (["new"], ["old"])
    ledger.take(Claim(2, "s", 0.0, seen.new, left=seen.left, gone=seen.gone), None)
    assert ledger.returned == []


def test_numbers_beyond_floats_and_texts_of_several_zones_are_read_as_given(table):
    for key, at in (("a", 2**53 + 3), ("b", 2**53 + 1), ("c", 2**53 + 2)):
        table("INSERT INTO t VALUES (?, ?, 1)", key, at)
    given = list(list_rows(ROWS, Ledger()))
    assert len(read_rows(ROWS, given)[1]) == 3
    table("DELETE FROM t")
    for key, at in (("a", "2013-01-01T12:00:00+02:00"), ("b", "2013-01-01T11:00:00+00:00")):
        table("INSERT INTO t VALUES (?, ?, 1)", key, at)
    given = list(list_rows(ROWS, Ledger()))
    assert len(read_rows(ROWS, given)[1]) == 2


def test_rows_that_nothing_reports_apart_are_given_together(table):
    table("INSERT INTO t VALUES ('a', 1, 10), ('a', 1, 20)")
    content, kept = read_rows(ROWS, list(list_rows(ROWS, Ledger())))
    assert [row["amount"] for row in csv.DictReader(io.StringIO(content.decode()))] == ["10", "20"]
    assert len(kept) == 1


def test_a_query_may_end_in_a_comment(table):
    table("INSERT INTO t VALUES ('a', 1, 10)")
    assert keys(list_rows(replace(ROWS, sql="SELECT * FROM t -- all"), Ledger())) == ["a"]


def test_keys_that_report_nothing_apart_are_refused(table):
    table("INSERT INTO t VALUES (1.5, 1, 10)")
    with pytest.raises(StageConfigurationError, match="a key of a row is 1.5 .float., which does not distinguish rows"):
        list(list_rows(ROWS, Ledger()))


def test_the_same_moment_is_the_same_version_in_any_zone():
    east = dt.datetime(2013, 1, 1, 13, tzinfo=dt.timezone(dt.timedelta(hours=1)))
    assert sql_rows._version(east, ROWS) == sql_rows._version(east.astimezone(dt.UTC), ROWS)


def test_what_was_given_back_is_found_however_old_and_once(table):
    for key, at in (("old", 1), ("new", 100)):
        table("INSERT INTO t VALUES (?, ?, 1)", key, at)
    found = {entry.uri: entry for entry in list_rows(ROWS, Ledger())}
    ledger = claimed(found["row://db/old"], outcome="released")
    ledger.take(Claim(2, "s", 0.0, (found["row://db/new"],)), None)
    assert sorted(keys(list_rows(ROWS, ledger))) == ["new", "old"]
    ledger = claimed(found["row://db/new"], outcome="released")
    assert sorted(keys(list_rows(ROWS, ledger))) == ["new", "old"]


def test_a_run_gets_the_versions_that_it_was_given(table):
    for key, at, amount in (("a/b", 100, 1.5), ("c", 101, 2.5), ("d", 102, 3.5)):
        table("INSERT INTO t VALUES (?, ?, ?)", key, at, amount)
    given = list(list_rows(ROWS, Ledger()))
    table("UPDATE t SET at = 110 WHERE k = 'c'")
    table("DELETE FROM t WHERE k = 'd'")
    content, kept = read_rows(ROWS, given)
    assert list(csv.DictReader(io.StringIO(content.decode()))) == [{"k": "a/b", "at": "100", "amount": "1.5"}]
    assert [entry.uri for entry in kept] == ["row://db/a%2Fb"]


@pytest.mark.parametrize(
    "watermark",
    [
        dt.datetime(2013, 1, 2, 3, 4, 5, 678901),
        dt.datetime(2013, 1, 2, 3, 4, 5, 678901, dt.UTC),
        dt.datetime(2013, 1, 2, 3, 4, 5, tzinfo=dt.timezone(dt.timedelta(hours=5, minutes=30))),
        dt.date(2013, 1, 2),
        17,
        2**53 + 1,
        1.5,
        Decimal("12345678901234567890.123"),
        "2013-01-02 03:04:05",
        "2013-01-02T03:04:05.678901",
        "2013-01-02",
    ],
)
def test_a_watermark_is_the_same_value_again_and_the_bound_is_before_it(watermark):
    version, changed = sql_rows._version(watermark, ROWS)
    assert sql_rows._value(version) == watermark
    assert type(sql_rows._value(version)) is type(watermark)
    for lookback in (0.0, 0.5, 10.0, 86_400.0):
        low = sql_rows._below(version, changed - lookback)
        assert type(low) is type(watermark)
        assert low <= watermark
        # No further back than needed by more than the coarsest unit, a day.
        assert changed - sql_rows._version(low, ROWS)[1] <= lookback + 2 * 86_400


@pytest.mark.parametrize("watermark", [True, b"1", "soon", [1]])
def test_a_watermark_is_a_time_or_a_number(watermark):
    with pytest.raises(StageConfigurationError, match="the watermark at of a row is .*name a column that is"):
        sql_rows._version(watermark, ROWS)


def test_what_the_database_says_is_reported(table):
    with pytest.raises(
        SourceUnavailableError, match="connection 'db': OperationalError: no such table: nowhere; check"
    ):
        list(list_rows(SqlRows(sql="SELECT * FROM nowhere", watermark="at", key=("k",), conn_id="db"), Ledger()))


def test_a_connection_of_no_database_is_refused(monkeypatch):
    connection = type("C", (), {"get_hook": lambda self: object()})()
    monkeypatch.setattr(sql_rows.BaseHook, "get_connection", lambda conn_id: connection)
    with pytest.raises(StageConfigurationError, match="connection 'db' is of no database"):
        list(list_rows(ROWS, Ledger()))


def test_a_row_without_a_readable_watermark_is_named_and_the_others_go_on(table, caplog):
    for key, at in (("x", "2013-01-02"), ("empty", ""), ("odd", "soon"), ("y", "2013-01-03")):
        table("INSERT INTO t VALUES (?, ?, 1)", key, at)
    found = list(list_rows(ROWS, Ledger()))
    assert sorted(keys(found)) == ["x", "y"]
    assert (
        "2 rows of connection db are left out: their key distinguishes no rows, their watermark at is neither"
        in caplog.text
    )
    assert all(f"/{key}" in caplog.text for key in ("empty", "odd"))
    content, kept = read_rows(ROWS, found)
    assert [row["k"] for row in csv.DictReader(io.StringIO(content.decode()))] == ["x", "y"]
    assert len(kept) == 2


def test_a_key_that_no_manifest_has_room_for_is_named_and_the_others_go_on(table, caplog):
    for key in ("x", "k" * 9000, "y"):
        table("INSERT INTO t VALUES (?, ?, 1)", key, "2013-01-02")
    found = list(list_rows(ROWS, Ledger()))
    assert sorted(keys(found)) == ["x", "y"]
    assert "1 rows of connection db are left out" in caplog.text
    assert "or their key or partition is too long: row://db/kkk" in caplog.text
    assert "k" * 200 not in caplog.text
    assert to_lines(found)


def test_a_column_without_any_watermark_is_refused(table):
    table("INSERT INTO t VALUES ('x', 'soon', 1)")
    with pytest.raises(StageConfigurationError, match="name a column that is"):
        list(list_rows(ROWS, Ledger()))
