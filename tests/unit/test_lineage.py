"""From a model back to the manifest of the data that a source gave."""

import pytest

from airflow_ml_provider.artifacts.store import ArtifactStore
from airflow_ml_provider.attempts.identity import StageIdentity
from airflow_ml_provider.execution.stage_request import origin_of
from airflow_ml_provider.protocol.request import StageRequest
from airflow_ml_provider.runtime.stages.register.lineage import lineage, lineage_tags


@pytest.fixture
def made(tmp_path):
    """Make an attempt with outputs; returns their references by name."""
    store = ArtifactStore()

    def make(stage, *, outputs, kind, inputs=None, run=None):
        identity = StageIdentity(f"file://{tmp_path}/store", "p", "r", stage, -1, 1)
        body = None if run else "ingest"
        request = StageRequest(
            kind=kind,
            pipeline="p",
            stage=stage,
            dag_run="r",
            attempt="",
            attempt_uri="",
            run=run,
            body=body,
            inputs=inputs or {},
        )
        _, uri = identity.claim_attempt(origin_of(request, image="ml/stage:1"))
        found = {}
        for name, artifact_type in outputs.items():
            (tmp_path / name).write_text(f"{stage} {name}")
            found[name] = store.put(tmp_path / name, directory=uri, output=name, artifact_type=artifact_type)
        return found

    return make


def test_a_model_leads_back_to_the_manifest_of_its_data(made):
    source = made("sources.flights", kind="source", outputs={"data": "dataset", "manifest": "file"})
    other = made("weather", kind="ingest", outputs={"data": "dataset"})
    inputs = {"flights": source["data"], "weather": other["data"]}
    features = made("features", kind="feature_engineering", run="m:f", inputs=inputs, outputs={"train": "dataset"})
    model = made("train", kind="train", run="m:train", inputs=features, outputs={"model": "model"})["model"]
    steps = lineage(model)
    assert [step.made_by["stage"] for step in steps] == ["train", "features", "sources.flights", "weather"]
    assert [step.to_plain().get("manifest") for step in steps] == [None, None, source["manifest"].to_plain(), None]
    tags = lineage_tags(steps)
    assert tags["airflow_ml.data_manifest"] == f"{source['manifest'].uri}@{source['manifest'].digest}"
    assert tags["airflow_ml.data"].split() == [f"{ref.uri}@{ref.digest}" for ref in (source["data"], other["data"])]
    assert (tags["airflow_ml.entry_point"], tags["airflow_ml.image"]) == ("m:train", "ml/stage:1")


def test_what_no_stage_made_is_where_a_lineage_begins(tmp_path):
    (tmp_path / "model").write_text("weights")
    model = ArtifactStore().put(
        tmp_path / "model", directory=f"file://{tmp_path}/elsewhere", output="model", artifact_type="model"
    )
    (step,) = lineage(model)
    assert step.made_by == {}
    assert lineage_tags([step]) == {"airflow_ml.data": f"{model.uri}@{model.digest}"}
