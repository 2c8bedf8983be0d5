"""A person's answer about a registered version: what is asked, and what is kept of the answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.errors import StageConfigurationError

if TYPE_CHECKING:
    from airflow_ml_provider.mlflow_api.registry import ModelRegistry

CARD_LIMIT = 10_000


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
            f"stage {stage!r}: {model!r} is not a registered model: pass register.output['model']"
        )
    return str(model["name"]), str(model["version"])


def question(name: str, version: str) -> str:
    """Return what a person is asked."""
    return f"Shall {name} version {version} become champion?"


def what_to_know(registry: ModelRegistry, name: str, version: str) -> str:
    """Return what a person sees before the answer, Markdown: the version, the champion, gates, the model card.

    Raises:
        MlflowError: MLflow does not know the version, or did not answer.
    """
    from airflow_ml_provider.mlflow_api.registry import tags_of

    found = registry.version(name, version)
    tags = tags_of(found)
    champion = registry.version_of_alias(name, "champion")
    lines = [f"[{name} version {version}]({registry.client.model_url(name, version)})"]
    if champion is None:
        lines.append("There is no champion yet.")
    else:
        number = str(champion["version"])
        lines.append(f"The champion is [version {number}]({registry.client.model_url(name, number)}).")
    if gate := tags.get("airflow_ml.gate"):
        lines += ["Its gates said:", "\n".join(f"- {reason}" for reason in gate.split("; "))]
    if card := found.get("description"):
        lines.append(card[:CARD_LIMIT])
    return "\n\n".join(lines)


def record(registry: ModelRegistry, answer: Answer, *, name: str, version: str, promote: bool) -> dict[str, str]:
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
    if answer.approved and promote:
        registry.promote(name, version, by=answer.by)
    return {"model": name, "version": version, **kept}
