"""Names and messages from outside forge no line of a log or a terminal, and one bad entry does not end a listing."""

import asyncio
import datetime as dt
import json
import logging
import math
from decimal import Decimal
from types import SimpleNamespace

import pytest
import typer
from rich.console import Console

from airflow_ml_provider.artifacts.commit import CommitRecord
from airflow_ml_provider.artifacts.digest import FileEntry
from airflow_ml_provider.artifacts.errors import ArtifactCorruptError
from airflow_ml_provider.artifacts.ledger import Ledger
from airflow_ml_provider.artifacts.source_files import SourceObject
from airflow_ml_provider.cleanup import leftovers
from airflow_ml_provider.cleanup.reaper import Reaper
from airflow_ml_provider.cli.inventory import data as data_command
from airflow_ml_provider.cli.inventory import model as model_command
from airflow_ml_provider.cli.pipelines.files import fail
from airflow_ml_provider.decisions.pods.leftover import Owner
from airflow_ml_provider.decisions.pods.pod_news import PodNews
from airflow_ml_provider.decisions.provenance import first_difference
from airflow_ml_provider.decisions.trust.shown_text import fenced
from airflow_ml_provider.errors import NotServingError, StageConfigurationError
from airflow_ml_provider.hooks.cluster_errors import cluster_error
from airflow_ml_provider.local.results import LastRun, LocalResults
from airflow_ml_provider.local.run_log import PACKAGE, logged_to
from airflow_ml_provider.protocol.artifact import ArtifactRef
from airflow_ml_provider.protocol.codec import from_json
from airflow_ml_provider.protocol.errors import ProtocolError
from airflow_ml_provider.protocol.plain_text import one_line, printable
from airflow_ml_provider.protocol.promotions import PROMOTIONS_TAG, promotions, with_promotion
from airflow_ml_provider.protocol.result import StageResult
from airflow_ml_provider.runtime.errors import BadDataError, UserCodeError
from airflow_ml_provider.runtime.stage import attempt
from airflow_ml_provider.runtime.stages.evaluate import _slice
from airflow_ml_provider.runtime.stages.serve import front
from airflow_ml_provider.serving.local_target import LocalTarget
from airflow_ml_provider.sources import sql_rows
from airflow_ml_provider.sources.origins import SqlRows

FORGED = "x\n2026-01-01 00:00:00,000 [register] forged\x1b[2J\x9b1;1H\u2028\u202e"
CONTROL = set("\x1b\x9b\u2028\u202e")


def clean(text):
    return not CONTROL & set(text) and "\n2026" not in text


def test_one_line_and_printable():
    assert one_line("a\r\nb\x1b[1;31m\u202e") == "a b "
    assert one_line("x" * 400).endswith("...")
    assert printable("a\r\n\tb\x1b[1mc") == "a \n b c"


def test_what_an_approver_reads_in_a_terminal():
    assert clean(fenced(FORGED.replace("\n", " "), language="text"))


def test_a_line_of_the_local_log_cannot_be_forged(tmp_path):
    with logged_to(tmp_path / "run.log", masked=()):
        logging.getLogger(PACKAGE).info("says %s", FORGED)
    first, *rest = (tmp_path / "run.log").read_text().splitlines()
    assert "says x" in first
    assert [line for line in rest if not line.startswith("    ")] == []
    assert not CONTROL & set((tmp_path / "run.log").read_text())


def test_fail_prints_no_control_characters(capsys):
    with pytest.raises(BaseException, match="2"):
        fail(FORGED)
    assert not CONTROL & set(capsys.readouterr().err)


def test_a_table_of_versions_shows_tags_as_text(monkeypatch, capsys):
    monkeypatch.setattr(model_command, "Console", lambda: Console(width=300))
    model_command._print([{"gate": f"[bold]x[/bold] [/y] {FORGED}", "run": None}], as_json=False)
    shown = capsys.readouterr().out
    assert "[bold]x[/bold] [/y] x" in shown
    assert clean(shown)


@pytest.mark.parametrize("old", [FORGED, {FORGED: 1}])
def test_a_change_of_a_param(old):
    assert clean(first_difference({"params.a": old}, {"params.a": "b"}))


def test_slices_are_named_by_data_and_stay_apart():
    found = {}
    for value in ("a\x1b", "a\n", "a" * 200, "a" * 201, 1):
        found[_slice("c", value, found)] = value
    assert len(found) == 5
    assert all(clean(name) and len(name) < 120 for name in found)


@pytest.mark.parametrize(
    ("error", "lines"),
    [(BadDataError(FORGED), 1), (UserCodeError("two\nlines\x1b[2J", type="ValueError"), 2)],
)
def test_what_ends_a_stage(error, lines, tmp_path):
    from airflow_ml_provider.protocol.request import StageRequest

    def work():
        raise error

    request = StageRequest(
        kind="train", pipeline="p", stage="s", dag_run="r", attempt="1.1", attempt_uri=f"file://{tmp_path}", run="m:f"
    )
    message = attempt(request, work, started=0.0).failure.message
    assert len(message.split("\n")) == lines
    assert not CONTROL & set(message)


def test_events_and_refusals_of_kubernetes():
    from kubernetes.client import ApiException

    ((_, line),) = PodNews("x", events_every=1.0, now=0.0).events([{"reason": "Failed", "message": FORGED}])
    assert clean(line)
    refused = ApiException(status=403, reason="Forbidden")
    refused.body = json.dumps({"message": f"admission: {FORGED}"})
    assert clean(str(cluster_error(refused, "create", "pods", "ml/x")))
    assert clean(str(Owner("d", FORGED, "t")))


@pytest.mark.parametrize("uri", ["file:///a\nb", "s3://x/\x1b", "s3://x/\x00", ""])
def test_a_reference_with_control_characters_is_none(uri):
    with pytest.raises(ProtocolError, match="empty or holds a control character"):
        ArtifactRef(uri=uri, digest=f"sha256:{'0' * 64}", type="dataset", size=1)


@pytest.mark.parametrize("tag", ["[" * 4_999, "5", "{}", "[1]", '[{"at": 1}]', "x" * 100_000, 5, None])
def test_promotions_that_somebody_else_wrote_are_none(tag):
    assert promotions({PROMOTIONS_TAG: tag}) == []
    assert json.loads(with_promotion({PROMOTIONS_TAG: tag}, at="t", by="me")) == [{"at": "t", "by": "me"}]


class Runs:
    """MLflow with runs of odd times."""

    def experiment_ids(self):
        return ["1"]

    def search_runs(self, **_):
        for number, start in enumerate((9e18, None, "x", -1e300, math.nan, 1_000)):
            info = {"run_id": str(number), "experiment_id": "1", "start_time": start}
            tags = [{"key": f"airflow_ml.{key}", "value": "x"} for key in ("pipeline", "dag_run", "stage")]
            yield {"info": info, "data": {"tags": tags}}
        yield {"info": {"run_id": "7", "experiment_id": "1"}, "data": {}}


def test_a_run_with_an_odd_time_is_left_alone_and_the_others_are_reaped():
    reaper = Reaper(lambda owner: ["success"], older_than=dt.timedelta(hours=1))
    assert {found.name for found in reaper.runs(Runs())} == {"MLflow run 5"}


SQL = SqlRows("select 1", "w", ("k",), "c")
NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
LATE = dt.datetime(9999, 12, 31, 23, 59, 59, tzinfo=dt.timezone(dt.timedelta(hours=-5)))


@pytest.mark.parametrize("row", [(None, NOW), (1.5, NOW), ("b", LATE), ("b", Decimal("sNaN")), ("b", "x"), ("b", None)])
def test_an_odd_row_is_left_out_and_the_others_are_seen(monkeypatch, row, caplog):
    monkeypatch.setattr(sql_rows, "_select", lambda *_, **__: iter([("a", NOW), row, ("c", NOW)]))
    found = list(sql_rows.list_rows(SQL, Ledger()))
    assert [type(each) for each in found] == [SourceObject] * 2
    assert "left out" in caplog.text


@pytest.fixture
def endpoint(tmp_path):
    folder = tmp_path / "endpoint"
    (folder / "servers").mkdir(parents=True)
    return folder


@pytest.mark.parametrize("text", ["", "{", "[]", '{"serving": 1}', '{"serving": {"stable": 1}}', "5"])
def test_an_endpoint_that_cannot_be_read(endpoint, text):
    (endpoint / "serving.json").write_text(text)
    for number, server in enumerate(("", "[]", '{"revision": "a"}', '{"revision": "a", "port": "x", "pid": 1}')):
        (endpoint / "servers" / f"{number}.json").write_text(server)
    assert front._now(endpoint) == []
    target = LocalTarget(endpoint, port=0, command=None)
    with pytest.raises(NotServingError, match=r"serving.json cannot be read"):
        target.read()
    assert list(target._all_servers()) == []


def test_a_connection_to_an_endpoint_that_cannot_be_read_is_answered(endpoint):
    (endpoint / "serving.json").write_text(
        '{"serving": {"stable": {"name": "a", "model": "m", "version": "1"}, "candidate": null, "percent": 0}}'
    )
    (endpoint / "servers" / "1.json").write_text('{"revision": "a", "port": 99999}')

    async def ask():
        served = await asyncio.start_server(lambda *both: front._connected(*both, endpoint), "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*served.sockets[0].getsockname())
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        answer = await reader.read()
        writer.close()
        served.close()
        return answer

    assert asyncio.run(ask()).startswith(b"HTTP/1.1 503")


@pytest.mark.parametrize("text", ["", "{", "[]", "5", '{"run_id": "r"}', '{"odd": 1}'])
def test_what_a_local_run_left_that_cannot_be_read_is_named(tmp_path, text):
    results = LocalResults(tmp_path, "p")
    results.keep_run(LastRun(run_id="r", date="d", environment=None, patch={}, states={}))
    (path,) = tmp_path.rglob("_run.json")
    path.write_text(text)
    with pytest.raises(StageConfigurationError, match=r"_run.json does not say what a run left there: remove it"):
        results.last_run()


@pytest.mark.parametrize(
    "change",
    [
        {"type": "spaceship"},
        {"digest": "sha256:x"},
        {"files": [{"path": "a", "size": -1, "sha256": "0" * 64}]},
        {"files": [{"path": "a", "size": 1, "sha256": "\ud800"}]},
    ],
)
def test_a_commit_record_of_another_shape_is_damaged(change):
    record = CommitRecord.of([FileEntry("a", 1, "0" * 64)], artifact_type="dataset")
    changed = {**json.loads(record.to_json()), **change}
    with pytest.raises(ArtifactCorruptError, match="is damaged"):
        CommitRecord.from_json(json.dumps(changed).encode(), uri="s3://x")


def test_a_source_that_cannot_be_read_does_not_hide_the_others(monkeypatch, capsys):
    def read(name):
        if name == "bad":
            raise ArtifactCorruptError("s3://x/log/1.claim.json cannot be read")
        return Ledger()

    def source_of(loaded, name, *, store):
        claims = SimpleNamespace(read=lambda: read(name))
        return SimpleNamespace(origin=SimpleNamespace(), claims=claims)

    monkeypatch.setattr(data_command, "source_of", source_of)
    monkeypatch.setattr(data_command, "_look", lambda *_: SimpleNamespace(new=[1, 2], more=0, unsettled=0, busy=0))
    with pytest.raises(typer.Exit) as ended:
        data_command.print_status(None, sources=["bad", "good"], store=None, as_json=False)
    assert ended.value.exit_code == 2
    printed = capsys.readouterr()
    assert "good: 2 new" in printed.out
    assert "bad: s3://x/log/1.claim.json cannot be read" in printed.err


@pytest.mark.parametrize(
    "text",
    ['{"a\\n2026 ERROR forged\\u001b[2J": 1}', '{"status": "success", "attempt": "1", "metrics": {"a\\nforged": "x"}}'],
)
def test_keys_of_a_message_forge_no_line(text):
    with pytest.raises(ProtocolError) as refused:
        from_json(StageResult, text, limit=10_000)
    assert str(refused.value).isprintable()


@pytest.mark.parametrize(
    ("pushed", "namespaces"),
    [("ml", ["ml"]), (["ml", {"a": 1}, 3, "gpu"], ["gpu", "ml"]), (None, []), (7, []), ({"ml": 1}, [])],
)
def test_an_odd_namespace_in_an_xcom_does_not_end_the_search_for_pods(monkeypatch, pushed, namespaces):
    asked = []
    monkeypatch.setattr(leftovers, "_remove", lambda cluster, namespace, labels: asked.append(namespace))
    stage = SimpleNamespace(
        task_id="train", runs_pods=True, kubernetes_conn_id="k", config_file=None, cluster_context=None, in_cluster=None
    )
    instance = SimpleNamespace(dag_id="d", run_id="r", xcom_pull=lambda **_: pushed)
    leftovers.remove_left_pods({"ti": instance, "dag": SimpleNamespace(tasks=[stage])})
    assert sorted(asked) == namespaces
