"""The InferenceServices of an endpoint, made like what is served, one change at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.decisions.serving.kserve import (
    GROUP,
    Ask,
    InferenceState,
    asks_without_knative,
    has_arrived,
    next_ask,
    share_of_pods,
)
from airflow_ml_provider.decisions.serving.rollout import ALL, Revision, Serving
from airflow_ml_provider.errors import StageConfigurationError
from airflow_ml_provider.hooks.cluster_errors import ConflictError, MissingError
from airflow_ml_provider.hooks.inference_services import KNATIVE
from airflow_ml_provider.pod.predictor import (
    KNATIVE_REVISION_LABEL,
    MARK_LABEL,
    OWNER_LABEL,
    asked_mode,
    asking,
    changed,
    counts,
    inference_service,
    mode_of,
    runs_on_knative,
)
from airflow_ml_provider.pod.server import ENDPOINT_LABEL, REVISION_LABEL, revision_labels

if TYPE_CHECKING:
    from airflow_ml_provider.hooks.inference_services import InferenceServices
    from airflow_ml_provider.hooks.pods import Pods


class KServeRollout:
    """What KServe is asked for one endpoint, and what it says.

    Args:
        services: The Kubernetes API.
        pods: The same, for pods.
        endpoint: The InferenceService's name; a candidate without Knative has one next to it, called so and ``-next``.
        look: Returns what is to be served, and the predictors of its revisions.
    """

    def __init__(
        self,
        services: InferenceServices,
        pods: Pods,
        *,
        endpoint: str,
        look: Callable[[], tuple[Serving, Mapping[str, dict[str, Any]]]],
    ) -> None:
        self._services = services
        self._pods = pods
        self._endpoint = endpoint
        self._beside = f"{endpoint}-next"
        self._look = look
        self._knative: bool | None = None
        self._url = ""

    @property
    def url(self) -> str:
        """Where the endpoint is asked, as KServe said last; before that, where it will be."""
        return self._url or f"http://{self._endpoint}.{self._services.namespace}.svc"

    def on_knative(self) -> bool:
        """Whether the endpoint runs on Knative: as it does, or as it will.

        Raises:
            StageConfigurationError: The cluster has no KServe.
        """
        if self._knative is None:
            groups = self._services.groups()
            if GROUP not in groups:
                raise StageConfigurationError(
                    f"the cluster has no KServe (no API group {GROUP}): install it, or take target: deployment"
                )
            found = self.found()
            self._knative = KNATIVE in groups if found is None else runs_on_knative(found)
        return self._knative

    def found(self) -> dict[str, Any] | None:
        """Return the endpoint's InferenceService, ``None`` when there is none.

        Raises:
            StageConfigurationError: It is not ours.
        """
        found = self._ours(self._services.service(self._endpoint))
        status = {} if found is None else found.get("status", {})
        self._url = status.get("address", {}).get("url") or status.get("url") or self._url
        return found

    def labels(self, revision: Revision) -> dict[str, str]:
        """Return the labels of the pods that serve a revision, and no earlier try at it."""
        labels, found = revision_labels(self._endpoint, revision), self.found()
        if found is None:
            return labels
        state = self._state(found)
        if not self.on_knative():
            return {**labels, OWNER_LABEL: self._endpoint if state.asked.revision == revision.name else self._beside}
        if state.asked.revision != revision.name or state.is_putting_back:
            return labels
        # What serves alone may be about to get more servers that find no room.
        serves = state.ready if state.asked.percent is None and state.ready else state.created
        return {**labels, KNATIVE_REVISION_LABEL: serves}

    def bring(self) -> bool:
        """Make the next change by which KServe serves what is to be served; returns whether it does by now.

        Raises:
            StageConfigurationError: An InferenceService of that name is not ours.
            ClusterError: Kubernetes or KServe refused.
        """
        # In this order: what is replaced is the version that was there before it was read what is to be served.
        found = self.found()
        adjacent = None if self.on_knative() else self._ours(self._services.service(self._beside))
        serving, predictors = self._look()
        try:
            if serving == Serving():
                return all([self._ended(self._endpoint, found), self._ended(self._beside, adjacent)])
            if self.on_knative():
                return self._brought(serving, found, predictors)
            main, candidate = asks_without_knative(serving)
            made = self._made(self._endpoint, found, main, predictors)
            if candidate is not None:
                return self._made(self._beside, adjacent, candidate, predictors) and made
            alone = serving.stable is None or serving.candidate is not None or self._serves_alone(serving.stable)
            return self._ended(self._beside, adjacent) and made and alone
        except (ConflictError, MissingError):
            # Somebody else looked too.
            return False

    def arrived(self, serving: Serving) -> bool:
        """Whether KServe sends the requests by now where that says."""
        if not self.bring() or (found := self.found()) is None:
            return False
        state = self._state(found)
        if self.on_knative():
            return has_arrived(state)
        serves = serving.candidate if serving.percent >= ALL or serving.stable is None else serving.stable
        return state.is_ready and serves is not None and self._serves_alone(serves)

    def message(self) -> str:
        """Say what KServe says of a failure, of the candidate's first; empty when it says nothing."""
        names = [self._endpoint] if self.on_knative() else [self._beside, self._endpoint]
        all_found = (self._services.service(name) for name in names)
        return next(filter(None, (self._state(found).message for found in all_found if found is not None)), "")

    def _brought(
        self, serving: Serving, found: dict[str, Any] | None, predictors: Mapping[str, dict[str, Any]]
    ) -> bool:
        state = None if found is None else self._state(found)
        asked = next_ask(serving, state, is_back=state is not None and self._is_back(state))
        if asked is None or not self._made(self._endpoint, found, asked, predictors):
            return False
        if serving.candidate is not None:
            return asked.revision == serving.candidate.name
        return state is not None and state.is_rolled_out

    def _serves_alone(self, revision: Revision) -> bool:
        """Whether all pods behind the endpoint are of a revision."""
        labels = {ENDPOINT_LABEL: self._endpoint, OWNER_LABEL: self._endpoint}
        pods = [pod for pod in self._pods.select(labels) if _counts(pod)]
        names = [pod["metadata"]["labels"].get(REVISION_LABEL, "") for pod in pods]
        return share_of_pods(revision, names) == 1

    def _made(
        self,
        name: str,
        found: dict[str, Any] | None,
        asked: Ask,
        predictors: Mapping[str, dict[str, Any]],
    ) -> bool:
        """Create or change an InferenceService; returns whether it was as asked already."""
        wanted = predictors[asked.revision]
        if found is None:
            main = self.found()
            new = inference_service(
                name,
                namespace=self._services.namespace,
                endpoint=self._endpoint,
                mode=asked_mode(knative=self.on_knative()) if main is None else mode_of(main),
                predictor=asking(wanted, asked),
            )
            self._services.create_service(new)
            return False
        predictor, before = found["spec"]["predictor"], self._state(found).asked
        if before == asked and counts(predictor) == counts(wanted):
            return True
        # KServe has filled in what was left out: the same spec would be another one without it.
        other = {**predictor, **counts(wanted)} if before.revision == asked.revision else wanted
        self._services.replace_service(changed(found, predictor=asking(other, asked)))
        return False

    def _ended(self, name: str, found: dict[str, Any] | None) -> bool:
        """Delete an InferenceService; returns whether there was none, nor pods of it that would be taken for others."""
        if found is None:
            return not any(map(_counts, self._pods.select({ENDPOINT_LABEL: self._endpoint, OWNER_LABEL: name})))
        as_kserve_says = changed(found, predictor=found["spec"]["predictor"])
        if as_kserve_says != found:
            found = self._services.replace_service(as_kserve_says)
        if "deletionTimestamp" not in found["metadata"]:
            self._services.delete_service(found)
        return False

    def _is_back(self, state: InferenceState) -> bool:
        """Whether the latest revision that is ready is the one that was put back; its pods know."""
        if not state.is_putting_back or not state.ready:
            return False
        labels = {KNATIVE_REVISION_LABEL: state.ready, MARK_LABEL: state.asked.mark}
        return any(self._pods.select({ENDPOINT_LABEL: self._endpoint, **labels}))

    def _state(self, found: Mapping[str, Any]) -> InferenceState:
        return InferenceState.of(found, label=REVISION_LABEL, mark=MARK_LABEL)

    def _ours(self, found: dict[str, Any] | None) -> dict[str, Any] | None:
        if found is not None and found["metadata"].get("labels", {}).get(ENDPOINT_LABEL) != self._endpoint:
            raise StageConfigurationError(
                f"InferenceService {self._services.namespace}/{found['metadata']['name']} is there, and no serve stage "
                f"made it: give the stage another endpoint, or delete it"
            )
        return found


def _counts(pod: Mapping[str, Any]) -> bool:
    """Whether a pod is there to serve; one that was evicted stays until somebody deletes it."""
    ended = pod.get("status", {}).get("phase") in ("Failed", "Succeeded")
    return not ended and "deletionTimestamp" not in pod["metadata"]
