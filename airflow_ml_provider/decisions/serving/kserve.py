"""What an InferenceService of KServe is to be next: what is served and its status in, the next change out.

KServe on Knative makes a revision of each spec and sends ``canaryTrafficPercent`` of the requests to the latest one,
the rest to the one that was rolled out last. Without Knative it replaces the pods of one Deployment, and knows no
percents.
https://kserve.github.io/website/docs/model-serving/predictive-inference/rollout-strategies/canary

``status.observedGeneration`` is not looked at: KServe copies it from a child, whose changes are counted otherwise
(https://github.com/kserve/kserve/issues/6081). What is looked at says the same of the spec itself: the percent that the
traffic has, the revision that was created last, the pods with the revision's label.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_ml_provider.decisions.serving.rollout import ALL, Revision, Serving
from airflow_ml_provider.protocol.plain_text import one_line

GROUP = "serving.kserve.io"
VERSION = "v1beta1"
_MESSAGE_LENGTH = 1000
NOTHING_FOR_LATEST = 0
"""The percent that sends all requests to the revision that was rolled out last."""
MOST_BESIDE = 99
"""The percent at which what served before still keeps its servers; at 100 Knative ends them."""


@dataclass(frozen=True)
class Ask:
    """What an InferenceService is asked for.

    Attributes:
        revision: The name of what its spec is to serve.
        percent: Its part of the requests; ``None`` for all, whatever comes next.
        mark: Tells the same revision from the one before, where it was put back.
    """

    revision: str
    percent: int | None
    mark: str = ""


@dataclass(frozen=True)
class InferenceState:
    """What an InferenceService says.

    Attributes:
        asked: What its spec asks for.
        created: Knative's name of the revision that was created last.
        ready: That of the latest one that is ready.
        rolled_out: That of the one that all requests went to last.
        generation: Counts the changes of the spec.
        traffic: Percents of the requests by Knative's names; the latest revision's apart from the others'.
        is_ready: Whether the condition ``Ready`` holds.
        message: Why it is not ready, and why the model could not be loaded.
    """

    asked: Ask
    created: str = ""
    ready: str = ""
    rolled_out: str = ""
    generation: int = 0
    traffic: tuple[tuple[str, bool, int], ...] = ()
    is_ready: bool = False
    message: str = ""

    @classmethod
    def of(cls, found: Mapping[str, Any], *, label: str, mark: str) -> InferenceState:
        """Read it.

        Args:
            found: The InferenceService as the Kubernetes API gives it.
            label: The predictor's label that names our revision.
            mark: The predictor's label that marks what was put back.
        """
        predictor = found["spec"]["predictor"]
        status = found.get("status", {})
        component = status.get("components", {}).get("predictor", {})
        conditions = status.get("conditions", ())
        labels = predictor.get("labels", {})
        return cls(
            Ask(labels.get(label, ""), predictor.get("canaryTrafficPercent"), labels.get(mark, "")),
            created=component.get("latestCreatedRevision", ""),
            ready=component.get("latestReadyRevision", ""),
            rolled_out=component.get("latestRolledoutRevision", ""),
            generation=found["metadata"].get("generation", 0),
            traffic=tuple(
                (one.get("revisionName", ""), bool(one.get("latestRevision")), int(one.get("percent") or 0))
                for one in component.get("traffic", ())
            ),
            is_ready=any(one["type"] == "Ready" and one["status"] == "True" for one in conditions),
            message=_message(status.get("modelStatus", {}).get("lastFailureInfo") or {}, conditions),
        )

    @property
    def is_rolled_out(self) -> bool:
        """Whether all requests go to the latest revision that is ready."""
        return bool(self.ready) and self.ready == self.rolled_out

    @property
    def is_putting_back(self) -> bool:
        """Whether all requests are held at the revision that was rolled out last, until the latest one is ready."""
        return self.asked.percent == NOTHING_FOR_LATEST and bool(self.asked.mark)


def next_ask(serving: Serving, found: InferenceState | None, *, is_back: bool) -> Ask | None:
    """Return what an InferenceService on Knative is asked for next, ``None`` while it is to be waited for.

    A candidate gets its part by the percent, never all, and none before what serves is rolled out: so the revision that
    was rolled out last is that of what served before. This is put back in two steps, and gets all requests all the
    while: its spec with the percent 0, and a mark; no percent any more when the revision that has the mark is ready,
    because Knative goes to the latest one that is.

    Args:
        serving: What is served; something is.
        found: What there is, ``None`` before there is anything.
        is_back: Whether the latest revision that is ready has the mark that was asked for.
    """
    stable, candidate = serving.stable, serving.candidate
    if stable is None:
        assert candidate is not None
        return Ask(candidate.name, None)
    if found is None:
        return Ask(stable.name, None)
    alone = found.asked.percent is None and found.is_rolled_out
    if candidate is not None and (found.asked.revision != stable.name or found.is_putting_back or alone):
        return Ask(candidate.name, min(serving.percent, MOST_BESIDE))
    if found.asked.revision != stable.name:
        return Ask(stable.name, NOTHING_FOR_LATEST, mark=str(found.generation))
    if found.is_putting_back and not is_back:
        return None
    return Ask(stable.name, None, found.asked.mark)


def asks_without_knative(serving: Serving) -> tuple[Ask, Ask | None]:
    """Return what the InferenceService of the endpoint is asked for, and the one next to it where there is one.

    A candidate is asked in an InferenceService of its own until it gets all requests; then its place is needed.
    """
    stable, candidate = serving.stable, serving.candidate
    if candidate is None or stable is None:
        first = candidate or stable
        assert first is not None
        return Ask(first.name, None), None
    if serving.percent >= ALL:
        return Ask(candidate.name, None), None
    return Ask(stable.name, None), Ask(candidate.name, None)


def has_arrived(found: InferenceState) -> bool:
    """Whether requests go by now where an InferenceService on Knative was asked to send them."""
    percent = ALL if found.asked.percent is None else found.asked.percent
    latest = sum(part for name, latest, part in found.traffic if latest and name == found.created)
    return found.is_ready and latest == percent


def share_of_pods(revision: Revision, names: Sequence[str]) -> float:
    """Return the part of some pods that are of a revision, by their labels; 0 without pods."""
    return sum(name == revision.name for name in names) / len(names) if names else 0.0


def _message(failure: Mapping[str, Any], conditions: Sequence[Mapping[str, Any]]) -> str:
    said = [f"{failure.get('reason', 'failed')}: {failure['message']}"] if failure.get("message") else []
    said += [
        f"{one['type']}: {one.get('message') or one.get('reason')}"
        for one in conditions
        if one["status"] == "False" and (one.get("message") or one.get("reason"))
    ]
    return one_line("; ".join(dict.fromkeys(said)), _MESSAGE_LENGTH)
