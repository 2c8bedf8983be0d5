"""Where an artifact comes from: the attempts that made it and what went into it, back to the data."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from airflow_ml_provider.artifacts.errors import ArtifactNotCommittedError
from airflow_ml_provider.artifacts.layout import ATTEMPT, join
from airflow_ml_provider.artifacts.objects import read_object
from airflow_ml_provider.artifacts.store import ArtifactStore
from airflow_ml_provider.protocol.artifact import ArtifactRef
from airflow_ml_provider.protocol.promotions import TAG_LIMIT
from airflow_ml_provider.runtime.patience import patiently

MANIFEST = "manifest"
"""The output of a source that lists what its run was given."""


@dataclass(frozen=True)
class Step:
    """An artifact, and the attempt that made it.

    Attributes:
        artifact: The artifact.
        made_by: What the attempt was (kind, stage, run, code, image, inputs); empty when it is none of a stage.
        manifest: The list of objects that a source gave, where the attempt was one.
    """

    artifact: ArtifactRef
    made_by: Mapping[str, Any] = field(default_factory=dict)
    manifest: ArtifactRef | None = None

    def to_plain(self) -> dict[str, Any]:
        """Return the step as JSON values."""
        manifest = {} if self.manifest is None else {"manifest": self.manifest.to_plain()}
        return {"artifact": self.artifact.to_plain(), "made_by": dict(self.made_by), **manifest}


def lineage(artifact: ArtifactRef) -> list[Step]:
    """Return the steps that led to an artifact, its own first; each artifact once.

    Raises:
        StoreUnavailableError: The store does not answer.
    """
    steps: dict[str, Step] = {}
    waiting = [artifact]
    while waiting:
        ref = waiting.pop(0)
        if ref.uri in steps:
            continue
        made_by = _attempt(ref)
        steps[ref.uri] = Step(ref, made_by, _manifest(ref) if made_by.get("kind") == "source" else None)
        waiting += [ArtifactRef.from_plain(found) for found in made_by.get("inputs", {}).values()]
    return list(steps.values())


def lineage_tags(steps: Sequence[Step]) -> dict[str, str]:
    """Return what a registered version says of its lineage: who trained it with what, and the data at its root."""
    own = steps[0].made_by
    roots = [step for step in steps if not step.made_by.get("inputs")]
    manifests = [step.manifest for step in roots if step.manifest is not None]
    tags = {
        "airflow_ml.stage": own.get("stage"),
        "airflow_ml.entry_point": own.get("run"),
        "airflow_ml.code_digest": own.get("code"),
        "airflow_ml.image": own.get("image"),
        "airflow_ml.data": _listed(step.artifact for step in roots),
        "airflow_ml.data_manifest": _listed(manifests),
    }
    return {key: str(value)[:TAG_LIMIT] for key, value in tags.items() if value}


def _listed(refs: Iterable[ArtifactRef]) -> str:
    return " ".join(f"{ref.uri}@{ref.digest}" for ref in refs)


def _attempt(ref: ArtifactRef) -> dict[str, Any]:
    uri = join(ref.uri.rstrip("/").rpartition("/")[0], ATTEMPT)
    try:
        found: dict[str, Any] = json.loads(patiently(lambda: read_object(uri), what="Reading the lineage"))
    except FileNotFoundError:
        return {}
    return found


def _manifest(ref: ArtifactRef) -> ArtifactRef | None:
    try:
        return ArtifactStore().find(join(ref.uri.rstrip("/").rpartition("/")[0], MANIFEST))
    except ArtifactNotCommittedError:
        return None
