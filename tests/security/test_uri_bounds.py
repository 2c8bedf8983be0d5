"""Where data may come from when whoever triggers a run has a say in it."""

from contextlib import nullcontext
from types import SimpleNamespace

import pytest
from airflow.sdk import DAG

from airflow_ml_provider.decisions.trust.param_schemas import ParamSchema
from airflow_ml_provider.decisions.trust.uri_bounds import UriBounds
from airflow_ml_provider.exceptions import StageConfigurationError
from airflow_ml_provider.operators import IngestOperator

OPEN = {"x": ParamSchema("")}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "pipeline" / "data").mkdir(parents=True)
    (tmp_path / "allowed").mkdir()
    (tmp_path / "secrets").mkdir()
    (tmp_path / "pipeline" / "link").symlink_to(tmp_path / "secrets")
    return tmp_path / "pipeline"


def within(folder, template, value, *, allowed=(), params=OPEN):
    """Return whether the URI is within its bounds; ``value`` is what the template gives."""
    bounds = UriBounds(str(folder), allowed, store="s3://store/ml")
    try:
        bounds.require(template, template.replace("{{ params.x }}", value), params=params)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ("{{ params.x }}", "data/*.csv"),
        ("{{ params.x }}", ""),
        ("{{ params.x }}", "data/2024..05.csv"),
        ("data/{{ params.x }}/*.csv", "2024"),
        ("s3://raw/{{ params.x }}/*.csv", "2024/05"),
        ("s3://raw/day-{{ params.x }}.csv", "2024"),
        ("simplecache::s3://raw/{{ params.x }}", "a.csv"),
        ("https://data.example.com/{{ params.x }}", "a.csv?x=1"),
        ("../shared/{{ params.x }}", "a.csv"),
    ],
)
def test_within_bounds(folder, template, value):
    assert within(folder, template, value)


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ("{{ params.x }}", "/etc/passwd"),
        ("{{ params.x }}", "file:///etc/passwd"),
        ("{{ params.x }}", "local:///etc/passwd"),
        ("{{ params.x }}", "/proc/self/environ"),
        ("{{ params.x }}", "../secrets/a"),
        ("{{ params.x }}", "data/../../secrets/a"),
        ("{{ params.x }}", "data/*/../../../secrets/*"),
        ("{{ params.x }}", "data\\..\\..\\secrets"),
        ("{{ params.x }}", "link/a"),
        ("{{ params.x }}", "link/*"),
        ("{{ params.x }}", "s3://other/a"),
        ("{{ params.x }}", "http://169.254.169.254/latest/meta-data"),
        ("{{ params.x }}", "simplecache::file:///etc/passwd"),
        ("{{ params.x }}", "simplecache::/etc/passwd"),
        ("{{ params.x }}", "reference://::/etc/passwd"),
        ("{{ params.x }}", "zip://*::file:///etc/passwd"),
        ("{{ params.x }}", "data/a::file:///etc/passwd"),
        ("{{ params.x }}", "a\x00b"),
        ("{{ params.x }}", "a\nb"),
        ("/{{ params.x }}", "etc/passwd"),
        ("file://{{ params.x }}", "/etc/passwd"),
        ("file:///{{ params.x }}", "etc/passwd"),
        ("s3://{{ params.x }}", "other/a"),
        ("s3://raw-{{ params.x }}/a", "other"),
        ("{{ params.x }}://raw/a", "file"),
        ("s3://raw/{{ params.x }}", "../other/a"),
        ("s3://raw/{{ params.x }}", "a/%2e%2e/b"),
        ("https://data.example.com/{{ params.x }}", "%252e%252e/admin"),
        ("https://data.example.com/{{ params.x }}", "../admin"),
        ("s3://raw/{{ params.x }}", "a::file:///etc/passwd"),
        ("data/{{ params.x }}", "../../secrets/a"),
        ("data/{{ params.x }}", "../../pipeline/../secrets/a"),
        ("../shared/{{ params.x }}", "../secrets/a"),
    ],
)
def test_out_of_bounds(folder, template, value):
    assert not within(folder, template, value)


@pytest.mark.parametrize("template", ["s3://other/a", "/etc/passwd", "/data/{{ ds }}/x", "{{ var.value.data }}"])
def test_what_nobody_else_chooses_is_the_authors_word(folder, template):
    bounds = UriBounds(str(folder))
    assert bounds.require(template, template.replace("{{ ds }}", "2024-05-01"), params=OPEN) is False


def test_a_run_id_does_not_climb(folder):
    with pytest.raises(ValueError, match="which 's3://raw/{{ run_id }}/x' has not"):
        UriBounds(str(folder)).require("s3://raw/{{ run_id }}/x", "s3://raw/../x", params={})


def test_a_closed_param_is_the_authors_word(folder):
    closed = {"x": ParamSchema("a", {"enum": ["s3://a/x", "/srv/y"]})}
    assert within(folder, "{{ params.x }}", "/srv/y", params=closed)


def test_allowed_uris(folder, tmp_path):
    allowed = (str(tmp_path / "allowed"), "s3://raw/in", "https://data.example.com")
    assert within(folder, "{{ params.x }}", f"{tmp_path}/allowed/a.csv", allowed=allowed)
    assert within(folder, "{{ params.x }}", f"file://{tmp_path}/allowed/*.csv", allowed=allowed)
    assert within(folder, "{{ params.x }}", "s3://raw/in/a.csv", allowed=allowed)
    assert not within(folder, "{{ params.x }}", "s3://raw/input/a.csv", allowed=allowed)
    assert not within(folder, "{{ params.x }}", f"{tmp_path}/allowed-not/a.csv", allowed=allowed)
    assert not within(folder, "{{ params.x }}", "https://data.example.com.evil/a", allowed=allowed)
    assert not within(folder, "{{ params.x }}", "https://data.example.com@evil/a", allowed=allowed)


def test_references_of_other_tasks_lie_in_the_store(folder):
    bounds = UriBounds(str(folder), store="s3://store/ml")
    template = {"data": "{{ ti.xcom_pull('x') }}"}
    for uri, inside in (("s3://store/ml/a/b", True), ("s3://other/ml/a/b", False), ("file:///etc/passwd", False)):
        for value in (uri, {"uri": uri, "digest": "sha256:0"}):
            with nullcontext() if inside else pytest.raises(ValueError, match="out of bounds"):
                bounds.require(template, {"data": value}, params={})
    with pytest.raises(ValueError, match="out of bounds"):
        bounds.require("{{ params.x }}", "s3://store/ml/of/another/pipeline", params=OPEN)


def test_the_error_names_the_uri_the_rule_and_the_setting(folder):
    with pytest.raises(ValueError, match="out of bounds") as caught:
        UriBounds(str(folder), ("s3://raw/",)).require("data/{{ params.x }}", "data/../../x", params=OPEN)
    said = str(caught.value)
    for part in (
        "'data/../../x' is out of bounds",
        "params.x",
        "'data/'",
        str(folder),
        "[ml] allowed_uris (s3://raw/)",
    ):
        assert part in said


def ingested(folder, *, params, conf, prepared=True, uri="{{ params.data }}"):
    with DAG("d", schedule=None, params=dict(params)) as dag:
        task = IngestOperator(task_id="ingest", uri=uri, base_folder=str(folder))
    if prepared:
        dag.resolve_template_files()
    task.render_template_fields(
        {"params": {**params, **conf}, "dag": dag, "task": task, "dag_run": SimpleNamespace(conf=conf)}
    )
    return task


def test_a_default_is_the_authors_word_however_the_form_sends_it(folder):
    params = {"data": "s3://raw/*.csv"}
    for conf in ({}, params):
        task = ingested(folder, params=params, conf=conf)
        assert (task.uri, task.bounded_uris) == ("s3://raw/*.csv", frozenset())
    task = ingested(folder, params=params, conf={"data": "data/b.csv"})
    assert (task.uri, task.bounded_uris) == ("data/b.csv", {"uri"})
    with pytest.raises(StageConfigurationError, match=r"stage 'ingest': 's3://other/x' is out of bounds"):
        ingested(folder, params=params, conf={"data": "s3://other/x"})


def test_a_param_that_the_dag_does_not_have_is_bounded(folder):
    with pytest.raises(StageConfigurationError, match="out of bounds"):
        ingested(folder, params={}, conf={"other": "/etc/passwd"}, uri="{{ params.other }}")


def test_who_runs_a_pipeline_on_his_own_machine_is_not_bounded(folder, monkeypatch):
    monkeypatch.setattr(IngestOperator, "trusts_caller", True)
    assert ingested(folder, params={"data": "x"}, conf={"data": "/etc/passwd"}).uri == "/etc/passwd"


def test_an_argument_that_a_decorated_function_takes_as_a_path_is_bounded(folder):
    from pathlib import Path

    from airflow.sdk import task

    with DAG("d", schedule=None, params={"x": "s3://raw/a"}) as dag:

        @task.ml_stage(base_folder=str(folder))
        def study(data: Path, note: str) -> None:
            """Do nothing."""

        study("{{ params.x }}", note="{{ params.x }}")
        study(data="{{ ds }}", note="{{ params.x }}")
    first, second = dag.get_task("study"), dag.get_task("study__1")
    context = {
        "params": {"x": "file:///etc"},
        "dag": dag,
        "dag_run": SimpleNamespace(conf={"x": "file:///etc"}),
        "ds": "2024-05-01",
    }
    with pytest.raises(StageConfigurationError, match="'file:///etc' is out of bounds"):
        first.render_template_fields({**context, "task": first})
    second.render_template_fields({**context, "task": second})
    assert second.op_kwargs["note"] == "file:///etc"
