"""The MLflow runs of one stage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class StageRuns:
    """The runs of one stage.

    Attributes:
        experiment_id: The experiment of all of them.
        parent: The DagRun's run.
        child: The stage's run, where user code of its latest attempt logs.
        earlier: The runs of earlier attempts, the newest first.
    """

    experiment_id: str
    parent: str
    child: str
    earlier: tuple[str, ...] = ()

    @classmethod
    def from_plain(cls, noted: Mapping[str, Any]) -> StageRuns:
        """Return the runs of a note; an older one names an attempt's own run below the child."""
        child, earlier = str(noted["child"]), tuple(noted.get("earlier", ()))
        attempt = str(noted.get("attempt", child))
        if attempt != child:
            child, earlier = attempt, (child, *earlier)
        return cls(experiment_id=noted["experiment_id"], parent=noted["parent"], child=child, earlier=earlier)
