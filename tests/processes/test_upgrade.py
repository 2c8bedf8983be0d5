"""What earlier versions left behind is read: stores, studies, endpoints, DAGs and triggers that wait.

``tests/upgrade/COMMIT`` was written by ``tests/cluster/record_upgrade.py`` with the code of that commit, and is not
changed any more.
"""

import json
import logging
import tarfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import fsspec
import pytest
from airflow.sdk.serde import deserialize
from airflow.serialization.serialized_objects import DagSerialization

from airflow_ml_provider.artifacts.claims import SourceClaims
from airflow_ml_provider.artifacts.layout import RESULT, join
from airflow_ml_provider.artifacts.objects import read_object
from airflow_ml_provider.artifacts.results import KeptResult, ResultStore
from airflow_ml_provider.artifacts.store import ArtifactStore
from airflow_ml_provider.attempts.attempt import Attempt
from airflow_ml_provider.operators.stage import StageOperator
from airflow_ml_provider.pod.server import STATE_ANNOTATION
from airflow_ml_provider.protocol.manifest import SourceObject, from_lines
from airflow_ml_provider.protocol.request import StageRequest
from airflow_ml_provider.protocol.result import StageResult
from airflow_ml_provider.runners.local_runner import LocalRunner
from airflow_ml_provider.serving.kept_serving import serving_of

RECORDED = sorted(path.parent for path in (Path(__file__).parents[1] / "upgrade").glob("*/facts.json"))
CLASSES = {
    "airflow_ml_provider.triggers.new_data.NewDataTrigger",
    "airflow_ml_provider.triggers.stage_pod.StagePodTrigger",
}


@pytest.fixture(scope="module", params=RECORDED, ids=lambda path: path.name)
def recorded(request):
    """Folder of what one version left."""
    return request.param


@pytest.fixture(scope="module")
def facts(recorded):
    return json.loads((recorded / "facts.json").read_text())


@pytest.fixture(scope="module")
def rows(recorded):
    return json.loads((recorded / "airflow.json").read_text())


@pytest.fixture(scope="module")
def store(recorded, facts, s3_endpoint):
    """The store, on a real S3 server, where it was."""
    files = fsspec.filesystem("s3")
    files.mkdir(facts["bucket"])
    with tarfile.open(recorded / "store.tar.xz") as archive:
        for entry in archive:
            content = archive.extractfile(entry)
            assert content is not None
            files.pipe_file(entry.name, content.read())
    files.invalidate_cache()
    yield f"s3://{facts['bucket']}/store"
    files.rm(facts["bucket"], recursive=True)


def found(store, pattern):
    return sorted(f"s3://{path}" for path in fsspec.filesystem("s3").glob(f"{store.removeprefix('s3://')}/{pattern}"))


def test_every_artifact_is_found_whole(store):
    records = found(store, "**/_commits/*.json")
    assert len(records) > 10
    for record in records:
        parent, _, name = record.partition("/_commits/")
        ref = ArtifactStore().find(f"{parent}/{name.removesuffix('.json')}")
        ArtifactStore().require_whole(ref)


def test_an_artifact_is_fetched(store, tmp_path):
    (model,) = found(store, "flight_loop/*/train/-1/1.1/_commits/model.json")
    ArtifactStore().fetch(ArtifactStore().find(model.replace("_commits/model.json", "model")), tmp_path / "model")
    assert (tmp_path / "model" / "MLmodel").is_file()


def test_every_result_is_read(store):
    results = [StageResult.from_json(read_object(uri)) for uri in found(store, f"**/{RESULT}")]
    assert {result.status for result in results} >= {"success"}


def test_what_was_claimed_stays_claimed_and_the_next_claim_follows(store):
    claims = SourceClaims(store, pipeline="arrivals", source="numbers")
    ledger = claims.read()
    assert (ledger.last, ledger.ends[1].outcome) == (1, "committed")
    assert [entry.uri.rpartition("/")[2] for entry in ledger.claims[1].objects] == ["a.csv", "b.csv"]
    for entry in ledger.claims[1].objects:
        assert isinstance(entry, SourceObject)
    (manifest,) = found(store, "_content/*.jsonl")
    assert [entry.uri for entry in from_lines(read_object(manifest))] == [e.uri for e in ledger.claims[1].objects]
    assert claims.claim(ledger, dag_run="next", objects=(), now=1.0).number == 2


def test_results_that_were_kept_are_reused(store):
    kept = [entry for _, entry in ResultStore(store).all()]
    assert kept
    assert all(isinstance(entry, KeptResult) for entry in kept)
    for entry in kept:
        assert ResultStore(store).find(entry.key) == entry


def test_a_study_goes_on_from_the_trials_that_are_there(recorded, store, caplog):
    caplog.set_level(logging.INFO)
    request = StageRequest.from_json((recorded / "study_request.json").read_text())
    stage, _, attempt = request.attempt_uri.rpartition("/")
    before = found(store, f"tuned/*/search/-1/{attempt}/_trials/*.json")
    assert before
    again = replace(request, attempt="2.1", attempt_uri=join(stage, "2.1"), tracking=None)
    _, result = LocalRunner(logging.getLogger("stage")).run(again, secrets={})
    assert result.failure is None, caplog.text
    assert f"{len(before)} trials of earlier attempts are not run again" in caplog.text
    assert result.metrics["trials_complete"] == request.options["trials"]


def test_what_an_endpoint_serves_is_read(recorded):
    endpoints = json.loads((recorded / "endpoints.json").read_text())
    service = endpoints["deployment"]["service"]["metadata"]
    serving = serving_of(service["annotations"][STATE_ANNOTATION], where="the Service")
    assert (serving.stable.version, serving.candidate) == ("1", None)
    names = [each["metadata"]["name"] for each in endpoints["deployment"]["deployments"]]
    assert names == [f"{service['name']}-{serving.stable.name}"]
    kept = serving_of(endpoints["kserve"]["config_map"]["data"]["serving"], where="the ConfigMap")
    assert (kept.stable.version, kept.candidate) == ("1", None)


def test_every_dag_is_read(rows):
    dags = {name: DagSerialization.from_dict(data) for name, data in rows["serialized_dags"].items()}
    assert {"arrivals", "tuned", "flight_loop", "flight_watch", "slow_deferrable"} <= dags.keys()
    assert dags["flight_loop"].get_task("tune").task_type == "TuneOperator"


def test_every_trigger_that_waits_is_made_again(rows):
    from importlib import import_module

    assert {row["classpath"] for row in rows["triggers"]} == CLASSES
    for row in rows["triggers"]:
        module, _, name = row["classpath"].rpartition(".")
        kwargs = deserialize(json.loads(row["kwargs"]))
        trigger = getattr(import_module(module), name)(**kwargs)
        again = trigger.serialize()[1]
        assert {key: again[key] for key in kwargs} == kwargs
        if row["task"]:
            assert callable(getattr(StageOperator, row["next_method"]))


def test_every_attempt_that_was_begun_is_known(rows):
    noted = [json.loads(row["value"]) for row in rows["task_state_store"] if row["key"] == "airflow_ml_attempt"]
    assert noted
    for value in noted:
        state = SimpleNamespace(get=lambda _, value=value: value)
        attempt = Attempt.load(state)
        assert (attempt.uri, attempt.work, attempt.pod.name) == (value["uri"], value["work"], value["pod"]["name"])
