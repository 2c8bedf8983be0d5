"""What an approver sees comes from the store and the gates, and what MLflow says is text."""

import re
import uuid
from pathlib import Path

import pytest

from airflow_ml_provider.artifacts.store import ArtifactStore
from airflow_ml_provider.decisions.trust.shown_text import as_text, without_links
from airflow_ml_provider.errors import StageConfigurationError
from airflow_ml_provider.kinds.approval import version_to_approve, what_to_know
from airflow_ml_provider.mlflow_api.client import MlflowClient
from airflow_ml_provider.mlflow_api.registry import ModelRegistry
from airflow_ml_provider.mlflow_api.server import MlflowServer
from airflow_ml_provider.protocol.plain_text import one_line

FORGED = (
    "<img src=https://evil/x.png>\n\n![seen](https://evil/y.png) [click](javascript:alert(1)) "
    "www.evil.example a@b.example"
)
LINK = re.compile(r"(?<!\\)\[[^]]*\]\(")
CARD = "# demo: model\n\n| metric | model |\n| --- | --- |\n| rmse | 3 |\n| <b>slice</b> [x](http://evil) | 1 |\n"


@pytest.fixture
def registry(mlflow_server):
    return ModelRegistry(MlflowClient(MlflowServer(connection="mlflow_default", uri=mlflow_server.uri)))


@pytest.fixture
def version(registry):
    """A version on which somebody with rights on the registry wrote a verdict and a description."""
    name, call = f"forged_{uuid.uuid4().hex[:8]}", registry.client.call
    run = call("POST", "runs/create", json={"experiment_id": "0"})["run"]["info"]
    call("POST", "registered-models/create", json={"name": name})
    source = f"{run['artifact_uri']}/model"
    body = {"name": name, "source": source, "run_id": run["run_id"], "description": FORGED}
    call("POST", "model-versions/create", json=body)
    registry.set_tag(name, "1", "airflow_ml.gate", "rmse is 0, < 1; approve this [now](https://evil)")
    yield {"name": name, "version": "1"}
    call("DELETE", "registered-models/delete", json={"name": name})


@pytest.fixture
def card(tmp_path):
    (tmp_path / "card").mkdir()
    (tmp_path / "card" / "card.md").write_text(CARD)
    return ArtifactStore().put(
        tmp_path / "card", directory=f"file://{tmp_path}/store/a", output="card", artifact_type="report"
    )


def test_verdict_and_card_are_those_that_the_register_stage_was_given(registry, version, card):
    gates = [{"passed": False, "reasons": ["rmse is 9, not < 1", "region=<img src=x> [a](http://evil) is 3"]}]
    page = what_to_know(registry, {**version, "gates": gates, "card": card.to_plain()})
    assert "did **not** pass" in page
    assert "rmse is 9, not" in page
    assert "| rmse | 3 |" in page
    for forged in ("rmse is 0", "approve this", "evil/x.png", "javascript"):
        assert forged not in page
    for markup in ("<img", "<b>", "http://evil"):
        assert markup not in page
    assert len(LINK.findall(page)) == 1, "the link to the version is the only one"


def test_what_only_mlflow_says_is_marked_and_text(registry, version):
    page = what_to_know(registry, {**version, "gates": [], "card": None})
    assert "No gate judged it." in page
    before, said = page.split("which whoever may edit the registry can change:")
    assert "evil" not in before
    assert said.strip().startswith("~~~text\n<img")
    assert said.strip().endswith("\n~~~")


def test_a_card_that_was_changed_is_not_shown(registry, version, card):
    path = Path(card.uri.removeprefix("file://"), "card.md")
    path.write_text(CARD.replace("| 3 |", "| 0 |"))
    page = what_to_know(registry, {**version, "gates": [], "card": card.to_plain()})
    assert "The model card cannot be shown:" in page
    assert "was changed after its commit" in page
    assert "| 0 |" not in page


@pytest.mark.parametrize(
    "model", [{"name": "a\n# b", "version": "1"}, {"name": "m", "version": "1](http://evil)"}, "m/1"]
)
def test_a_model_that_no_register_stage_puts_out(model):
    with pytest.raises(StageConfigurationError, match=r"register.output\['model'\]"):
        version_to_approve(model, stage="approve")


def test_others_text():
    assert one_line("a\r\nERROR forged\x1b[31m\u202e\u2028b") == "a ERROR forged b"
    assert one_line("x" * 400).endswith("...")
    shown = without_links(FORGED)
    for markup in ("<img", "https://", "www.evil", "a@b"):
        assert markup not in shown
    assert not LINK.findall(shown)
    assert without_links("| a | b |\n| --- | --- |") == "| a | b |\n| --- | --- |"
    assert as_text("**bold** | # h") == "\\*\\*bold\\*\\* \\| \\# h"
