"""A person's answer about a registered version: what is asked, and what is kept of the answer."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.decisions.trust.shown_text import as_text, fenced, without_links
from airflow_ml_provider.errors import StageConfigurationError
from airflow_ml_provider.kinds.register import MODEL_NAME_PATTERN
from airflow_ml_provider.protocol.artifact import ArtifactRef
from airflow_ml_provider.protocol.plain_text import one_line

if TYPE_CHECKING:
    from airflow_ml_provider.mlflow_api.registry import ModelRegistry

CARD_FILE = "card.md"
CARD_LIMIT = 10_000
REASONS = 50


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A person's answer.

    Attributes:
        approved: Whether the version may become champion.
        by: Who answered.
        at: When, ISO 8601.
        reason: Why, empty when nothing was said.
    """

    approved: bool
    by: str
    at: str
    reason: str = ""


def version_to_approve(model: Any, *, stage: str) -> tuple[str, str]:
    """Return name and version of what a register stage put out.

    Raises:
        StageConfigurationError: It is not a registered model.
    """
    if not isinstance(model, Mapping) or not {"name", "version"} <= model.keys():
        raise StageConfigurationError(
            f"stage {stage!r}: {one_line(repr(model))} is not a registered model: pass register.output['model']"
        )
    name, version = str(model["name"]), str(model["version"])
    if not re.fullmatch(MODEL_NAME_PATTERN, name) or not re.fullmatch("[0-9]{1,18}", version):
        raise StageConfigurationError(
            f"stage {stage!r}: {one_line(name)!r} version {one_line(version)!r} is not what a register stage puts out: "
            f"pass register.output['model']"
        )
    return name, version


def question(name: str, version: str) -> str:
    """Return what a person is asked."""
    return f"Shall {name} version {version} become champion?"


def what_to_know(registry: ModelRegistry, model: Mapping[str, Any]) -> str:
    """Return what a person sees before the answer, Markdown: the version, the champion, gates, the model card.

    The verdict is the one that the register stage was given, the card the artifact that it was given, by its digest.
    What only MLflow says is shown as the text that it is, since others may have written it.

    Args:
        registry: The registry.
        model: What the register stage put out.

    Raises:
        MlflowError: MLflow does not know the version, or did not answer.
        StoreUnavailableError: The artifact store did not answer.
    """
    name, version = str(model["name"]), str(model["version"])
    found = registry.version(name, version)
    champion = registry.version_of_alias(name, "champion")
    lines = [f"[{name} version {version}]({registry.client.model_url(name, version)})"]
    if champion is None:
        lines.append("There is no champion yet.")
    else:
        number = champion["version"]
        lines.append(f"The champion is [version {number}]({registry.client.model_url(name, number)}).")
    lines += _verdicts(model.get("gates"))
    card = model.get("card")
    if isinstance(card, Mapping):
        lines.append(_card(ArtifactRef.from_plain(dict(card))))
    elif said := str(found.get("description") or ""):
        lines += ["MLflow's description of the version, which whoever may edit the registry can change:", ""]
        lines.append(fenced(said[:CARD_LIMIT], language="text"))
    return "\n\n".join(lines)


def _verdicts(gates: Any) -> list[str]:
    if not isinstance(gates, Sequence) or isinstance(gates, str):
        return []
    if not gates:
        return ["No gate judged it."]
    passed = all(gate["passed"] for gate in gates)
    reasons = [as_text(str(reason)) for gate in gates for reason in gate["reasons"]]
    said = "Its gates passed:" if passed else "Its gates did **not** pass:"
    return [said, "\n".join(f"- {reason}" for reason in reasons[:REASONS])]


def _card(ref: ArtifactRef) -> str:
    """Return the model card as it was committed."""
    # Not imported with the module, which each parse of a DAG loads.
    from airflow_ml_provider.artifacts.errors import StoreError, StoreUnavailableError
    from airflow_ml_provider.artifacts.store import ArtifactStore

    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder, "card")
        try:
            ArtifactStore().fetch(ref, target, only=CARD_FILE)
            text = (target / CARD_FILE).read_text(encoding="utf-8", errors="replace")
        except StoreUnavailableError:
            raise
        except (StoreError, OSError) as error:
            return f"The model card cannot be shown: {as_text(str(error))}"
    return without_links(text[:CARD_LIMIT])


def record(registry: ModelRegistry, answer: Answer, *, name: str, version: str, promote: bool) -> dict[str, Any]:
    """Keep an answer in tags of the version, and promote a version that was approved.

    Args:
        registry: The registry.
        answer: The answer.
        name: The registered model.
        version: The version.
        promote: Whether an approved version becomes champion here.

    Returns:
        The output ``approval``.

    Raises:
        MlflowError: MLflow refused or did not answer.
    """
    kept = {
        "approval": "approved" if answer.approved else "rejected",
        "approval_by": answer.by,
        "approval_at": answer.at,
        "approval_reason": answer.reason,
    }
    for key, value in kept.items():
        registry.set_tag(name, version, f"airflow_ml.{key}", value)
    promoted = answer.approved and promote
    if promoted:
        registry.promote(name, version, by=answer.by)
    return {"model": name, "version": version, **kept, "promoted": promoted}
