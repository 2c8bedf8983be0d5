"""An endpoint on KServe: an InferenceService, and a ConfigMap that says what it serves."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.decisions.serving.kserve import MOST_BESIDE
from airflow_ml_provider.decisions.serving.rollout import Revision, Serving
from airflow_ml_provider.errors import ClusterUnavailableError, ServingChangedError, StageConfigurationError
from airflow_ml_provider.pod.predictor import CONTAINER, counts
from airflow_ml_provider.pod.server import ENDPOINT_LABEL, PIPELINE_ANNOTATION
from airflow_ml_provider.serving.kept_serving import KeptServing, kept, named_version, overtaken, serving_of
from airflow_ml_provider.serving.kserve_rollout import KServeRollout
from airflow_ml_provider.serving.server_pods import ServerPods

if TYPE_CHECKING:
    from airflow_ml_provider.hooks.inference_services import InferenceServices
    from airflow_ml_provider.hooks.pods import Pods

log = logging.getLogger(__name__)

_STATE = "serving"
_WRITES = 5
_LOOK_SECONDS = 0.5


class KServeTarget:
    """The endpoint of one name in one namespace.

    The ConfigMap is the truth, with the predictor of each revision: KServe passes labels and annotations of an
    InferenceService on to its pods, so what serves cannot be written there. Whoever looks makes the InferenceService
    like it. On Knative a candidate is its latest revision; without, it has an InferenceService next to it until it gets
    all requests.

    Args:
        services: The Kubernetes API.
        pods: The same, for pods.
        endpoint: The InferenceService's name.
        pipeline: The pipeline whose endpoint it is, an annotation of the ConfigMap.
        predictor: Makes the predictor of a revision, for Knative or not.
        sharing: What needs servers of two revisions at once, as the author wrote it; empty for nothing.
        seconds: How long servers may take until they are ready.
    """

    def __init__(
        self,
        services: InferenceServices,
        pods: Pods,
        *,
        endpoint: str,
        pipeline: str,
        predictor: Callable[[Revision, bool], dict[str, Any]],
        sharing: str,
        seconds: float,
    ) -> None:
        self._services = services
        self._endpoint = endpoint
        self._config_map = f"{endpoint}-serving"
        self._pipeline = pipeline
        self._predictor = predictor
        self._sharing = sharing
        self._seconds = seconds
        self._kept = KeptServing(endpoint, look=self._look, put=self._put)
        self._predictors: dict[str, dict[str, Any]] = {}
        self._rollout = KServeRollout(services, pods, endpoint=endpoint, look=self._looked)
        self._servers = ServerPods(pods, labels=self._rollout.labels, container=CONTAINER)

    @property
    def url(self) -> str:
        """Where the endpoint is asked, as KServe says."""
        return self._rollout.url

    def read(self) -> Serving:
        """Return what the ConfigMap says.

        Raises:
            StageConfigurationError: There is a ConfigMap or an InferenceService of that name that is not ours, there is
                no KServe, or it has no Knative and the stage shares requests.
            ClusterError: Kubernetes refused.
        """
        if not self._rollout.on_knative() and self._sharing:
            raise StageConfigurationError(
                f"{self._sharing}: without Knative KServe shares no requests between two models. Leave that out, "
                f"install Knative, or take target: deployment"
            )
        serving = self._kept.read()
        if serving == Serving() and self._rollout.found() is not None:
            # Its end was cut short.
            self._rollout.bring()
        return serving

    def write(self, serving: Serving) -> None:
        """Change the ConfigMap, and then what KServe serves.

        Raises:
            ServingChangedError: It is not any more what was read or written here last.
            ClusterError: Kubernetes or KServe refused.
        """
        self._kept.write(serving)
        if serving.candidate is not None:
            self._rollout.bring()
        else:
            # Nothing is to be undone from here: who calls waits next, and a run that was quicker has the say.
            with suppress(ClusterUnavailableError, ServingChangedError):
                self._rollout.bring()

    def start(self, revision: Revision, replicas: int) -> None:
        """Ask KServe for the revision, with so many servers at least."""
        found = self._predictors.get(revision.name)
        if found is not None and found["minReplicas"] < replicas:
            found |= counts(self._predictor(revision, self._rollout.on_knative()))
            self._kept.write(self._kept.known)
        self._rollout.bring()

    def replicas_for(self, serving: Serving, percent: int, *, wanted: int) -> int:
        """Return as many as are wanted in the end: a part of the requests is not a number of servers here."""
        return wanted

    def part(self, percent: int, *, new: int, old: int) -> float:
        """Return what KServe is asked for."""
        return min(percent, MOST_BESIDE) if self._rollout.on_knative() else percent

    def arrived(self, serving: Serving) -> bool:
        """Whether KServe sends the requests there by now."""
        return self._rollout.arrived(serving)

    def faults(self, revision: Revision) -> str:
        """Say why the pods of a revision will not become ready."""
        return self._servers.faults(revision)

    def ready(self, revision: Revision) -> list[str]:
        """Return the addresses of the pods that are ready."""
        return self._servers.ready(revision)

    def waits(self, revision: Revision) -> str:
        """Say what the pods wait for, or what KServe says."""
        return self._servers.waits(revision) or self._rollout.message()

    def settle(self, revision: Revision, replicas: int) -> None:
        """Give the revision as many servers as it is to have now, unless another run changes that."""
        with suppress(ServingChangedError):
            self._resize(revision)
        self._wait()

    def _resize(self, revision: Revision) -> None:
        wanted = counts(self._predictor(revision, self._rollout.on_knative()))
        # Written once more where somebody else changed the ConfigMap in between.
        for _ in range(_WRITES):
            found = self._predictors.get(revision.name)
            if found is None:
                raise overtaken(self._endpoint)
            if counts(found) == wanted:
                break
            found |= wanted
            self._kept.write(Serving(stable=revision))

    def remove_others(self) -> None:
        """See to it that KServe serves what the ConfigMap says and nothing else; wait for it where it must go on."""
        self._kept.read()
        self._wait()

    def _wait(self) -> None:
        deadline = time.monotonic() + self._seconds
        while not self._brought():
            if time.monotonic() > deadline:
                waits = self._rollout.message()
                log.warning("%s: KServe goes on for %g s%s", self.url, self._seconds, waits and f": {waits}")
                return
            time.sleep(_LOOK_SECONDS)

    def _brought(self) -> bool:
        """Go on; returns whether it is done, or another run's business by now."""
        try:
            return self._rollout.bring()
        except ClusterUnavailableError:
            return False
        except ServingChangedError:
            return True

    def _looked(self) -> tuple[Serving, Mapping[str, dict[str, Any]]]:
        if (serving := self._look()[0]) != self._kept.known:
            raise overtaken(self._endpoint)
        return serving, self._predictors

    def _look(self) -> tuple[Serving, str]:
        found = self._services.config_map(self._config_map)
        if found is None:
            self._predictors = {}
            return Serving(), ""
        data = found.get("data", {})
        serving = serving_of(data.get(_STATE), where=f"ConfigMap {self._services.namespace}/{self._config_map}")
        self._predictors = {name: json.loads(text) for name, text in data.items() if name != _STATE}
        return serving, named_version(found)

    def _put(self, serving: Serving, version: str) -> str:
        revisions = [found for found in (serving.stable, serving.candidate) if found is not None]
        if not revisions:
            self._services.delete_config_map(self._config_map, version=version)
            return ""
        for revision in revisions:
            if revision.name not in self._predictors:
                self._predictors[revision.name] = self._predictor(revision, self._rollout.on_knative())
        texts = {found.name: json.dumps(self._predictors[found.name], sort_keys=True) for found in revisions}
        metadata = {
            "name": self._config_map,
            "namespace": self._services.namespace,
            "labels": {ENDPOINT_LABEL: self._endpoint},
            "annotations": {PIPELINE_ANNOTATION: self._pipeline},
        }
        config_map = {"metadata": metadata, "data": {_STATE: kept(serving), **texts}}
        if not version:
            return named_version(self._services.create_config_map(config_map))
        metadata["resourceVersion"] = version
        return named_version(self._services.replace_config_map(config_map))
