"""``airflow-ml data reset``, also where what was given cannot be read."""

import pytest

from airflow_ml_provider.artifacts.claims import SourceClaims
from airflow_ml_provider.artifacts.objects import write_object
from airflow_ml_provider.cli.inventory.data import reset
from airflow_ml_provider.protocol.manifest import SourceObject
from airflow_ml_provider.spec.loading.load import load

PIPELINE = """\
pipeline: fed
tracking: false
sources: {raw: {uri: data/*.csv}}
stages: {a: {kind: container, command: ["true"], inputs: {data: sources.raw}}}
"""


@pytest.fixture
def pipeline(tmp_path):
    (tmp_path / "fed.yaml").write_text(PIPELINE)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.csv").write_text("1")
    return load(tmp_path / "fed.yaml")


@pytest.mark.parametrize("damaged", [False, True])
def test_what_is_there_counts_as_given(pipeline, tmp_path, capsys, damaged):
    store = f"file://{tmp_path}/store"
    claims = SourceClaims(store, pipeline="fed", source="raw")
    claims.claim(claims.read(), dag_run="r1", objects=(SourceObject("x", "1", 3, 1.0),), now=1.0)
    claims.end(1, outcome="committed", reason="", now=2.0)
    if damaged:
        write_object(f"{claims.uri}/log/0000000001.claim.json", b"{")
    reset(pipeline, "raw", skip_existing=True, sure=True, store=store)
    said = capsys.readouterr()
    assert said.out == "raw: 1 objects count as given\n"
    assert ("cannot be read, and is passed over" in said.err) == damaged
    ledger = claims.read()
    assert (ledger.handed_out, ledger.open()) == (1, [])
