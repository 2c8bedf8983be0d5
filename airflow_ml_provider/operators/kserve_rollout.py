"""The InferenceServices of an endpoint, made like what is served, one change at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.decisions.kserve import (
    GROUP,
    Ask,
    InferenceState,
    asks_without_knative,
    has_arrived,
    next_ask,
    share_of_pods,
)
from airflow_ml_provider.decisions.serving import ALL, Serving
from airflow_ml_provider.exceptions import StageConfigurationError
from airflow_ml_provider.hooks.cluster_errors import ConflictError
from airflow_ml_provider.hooks.inference_services import KNATIVE
from airflow_ml_provider.pod.predictor import (
    KNATIVE_REVISION_LABEL,
    MARK_LABEL,
    OWNER_LABEL,
    asking,
    counts,
    inference_service,
    runs_on_knative,
)
from airflow_ml_provider.pod.server import ENDPOINT_LABEL, REVISION_LABEL

if TYPE_CHECKING:
    from airflow_ml_provider.hooks.inference_services import InferenceServices
    from airflow_ml_provider.hooks.pods import Pods


class KServeRollout:
    """What KServe is told about one endpoint, and what it says.

    Args:
        services: The Kubernetes API.
        pods: The same, for pods.
        endpoint: The InferenceService's name; a candidate without Knative has one beside, called so and ``-next``.
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
        return self._ours(self._services.service(self._endpoint))

    def bring(self) -> bool:
        """Make the next change by which KServe serves what is to be served; returns whether it does by now.

        Raises:
            StageConfigurationError: An InferenceService of that name is not ours.
            ClusterError: Kubernetes or KServe refused.
        """
        # In this order: what is replaced is the version that was there before it was read what is to be served.
        found, beside = self.found(), self._ours(self._services.service(self._beside))
        serving, predictors = self._look()
        if serving == Serving():
            for name in (self._endpoint, self._beside):
                self._services.delete_service(name)
            return True
        if self.on_knative():
            state = None if found is None else self._state(found)
            asked = next_ask(serving, state, is_back=state is not None and self._is_back(state))
            if asked is None or not self._made(self._endpoint, found, asked, predictors):
                return False
            return serving.candidate is not None or (state is not None and state.is_rolled_out)
        main, candidate = asks_without_knative(serving)
        made = self._made(self._endpoint, found, main, predictors)
        if candidate is not None:
            return self._made(self._beside, beside, candidate, predictors) and made
        if beside is not None:
            self._services.delete_service(self._beside)
        return made

    def arrived(self, serving: Serving) -> bool:
        """Whether KServe sends the requests by now where that says."""
        if not self.bring() or (found := self.found()) is None:
            return False
        state = self._state(found)
        if self.on_knative():
            return has_arrived(state)
        serves = serving.candidate if serving.percent >= ALL or serving.stable is None else serving.stable
        labels = {ENDPOINT_LABEL: self._endpoint, OWNER_LABEL: self._endpoint}
        pods = [pod for pod in self._pods.select(labels) if "deletionTimestamp" not in pod["metadata"]]
        names = [pod["metadata"]["labels"].get(REVISION_LABEL, "") for pod in pods]
        return state.is_ready and serves is not None and share_of_pods(serves, names) == 1

    def told(self) -> str:
        """Say what KServe says of a failure, empty when it says nothing."""
        both = (self._services.service(name) for name in (self._endpoint, self._beside))
        return next(filter(None, (self._state(found).told for found in both if found is not None)), "")

    def _made(
        self,
        name: str,
        found: dict[str, Any] | None,
        asked: Ask,
        predictors: Mapping[str, dict[str, Any]],
    ) -> bool:
        """Create or change an InferenceService; returns whether it was as asked already."""
        wanted = predictors[asked.revision]
        try:
            if found is None:
                new = inference_service(
                    name,
                    namespace=self._services.namespace,
                    endpoint=self._endpoint,
                    knative=self.on_knative(),
                    predictor=asking(wanted, asked),
                )
                self._services.create_service(new)
                return False
            predictor, before = found["spec"]["predictor"], self._state(found).asked
            if before == asked and counts(predictor) == counts(wanted):
                return True
            # KServe has filled in what was left out: the same spec would be another one without it.
            changed = {**predictor, **counts(wanted)} if before.revision == asked.revision else wanted
            changed = {key: value for key, value in changed.items() if value is not None}
            self._services.replace_service({**found, "spec": {**found["spec"], "predictor": asking(changed, asked)}})
        except ConflictError:
            # Somebody else looked too.
            return False
        return False

    def _is_back(self, state: InferenceState) -> bool:
        """Whether the latest revision that is ready is the one that was put back; its pods know."""
        if not state.is_putting_back or not state.ready:
            return False
        labels = {KNATIVE_REVISION_LABEL: state.ready, MARK_LABEL: state.asked.mark}
        return any(self._pods.select({ENDPOINT_LABEL: self._endpoint, **labels}))

    def _state(self, found: Mapping[str, Any]) -> InferenceState:
        status = found.get("status", {})
        if found["metadata"]["name"] == self._endpoint:
            self._url = status.get("address", {}).get("url") or status.get("url") or self._url
        return InferenceState.of(found, label=REVISION_LABEL, mark=MARK_LABEL)

    def _ours(self, found: dict[str, Any] | None) -> dict[str, Any] | None:
        if found is not None and found["metadata"].get("labels", {}).get(ENDPOINT_LABEL) != self._endpoint:
            raise StageConfigurationError(
                f"InferenceService {self._services.namespace}/{found['metadata']['name']} is there, and no serve stage "
                f"made it: give the stage another endpoint, or delete it"
            )
        return found
