"""A registered model behind an endpoint."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.decisions.models.gate import judge
from airflow_ml_provider.decisions.serving.rollout import Revision, Serving, checked_steps, guard_at
from airflow_ml_provider.errors import CheckFailedError, GateFailedError, StageConfigurationError
from airflow_ml_provider.protocol.artifact import ArtifactRef
from airflow_ml_provider.serving.serve_settings import ServeSettings

if TYPE_CHECKING:
    from airflow_ml_provider.artifacts.store import ArtifactStore
    from airflow_ml_provider.attempts.run_context import RunContext
    from airflow_ml_provider.protocol.result import StageResult
    from airflow_ml_provider.serving.promotion import Promotion
    from airflow_ml_provider.serving.target import ServingTarget

ENDPOINT_URL = "endpoint_url"
"""The key of the output that holds the endpoint's address."""
ENDPOINT_TAG = "airflow_ml.endpoint"
"""The tag of a version that says where it serves."""
DEFAULT_GUARD: Mapping[str, str] = {"error_rate": "< 0.01"}
_ENDPOINT = re.compile(r"[a-z]([a-z0-9-]{0,43}[a-z0-9])?")


@dataclass(frozen=True, kw_only=True)
class ServeStage(ServeSettings):
    """Serves a registered version, once it answers as the model itself does, and makes it champion."""

    @classmethod
    def completed(cls, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Return an operator's arguments with the defaults of the kind, and inputs by name."""
        guard, example = arguments.get("guard"), arguments.get("example")
        given = {
            **arguments,
            "guard": dict(DEFAULT_GUARD if guard is None else guard),
            "inputs": {} if example is None else {"example": example},
        }
        return super().completed(given)

    def is_done(self, run: RunContext) -> bool:
        """Whether the version is served already; the alias and the number of servers are seen to.

        Raises:
            GateFailedError: The model did not pass its gate.
            StageConfigurationError: The stage does not fit the model or the cluster.
        """
        for gate in self.gates:
            if not (isinstance(gate, Mapping) and gate.get("passed") is True):
                raise GateFailedError(
                    f"stage {self.task_id!r}: the model did not pass its gate, and is not served: {gate}"
                )
        target, wanted = self._place(run)
        if target.read() != Serving(stable=wanted):
            return False
        self._promote(run, target, wanted, smoke=None)
        return True

    def options(self, run: RunContext, *, store: ArtifactStore) -> dict[str, Any]:
        """Return the first part: what the model itself answers."""
        name, version = self._version()
        return {"part": "example", "model": {"name": name, "version": version}}

    def act(self, run: RunContext, result: StageResult) -> None:
        """Bring the new servers in, now that it is known what they are to answer.

        Raises:
            CheckFailedError: The new servers answer otherwise than the model, or the guard did not hold.
            NotServingError: They did not become ready.
            ServingChangedError: Another run changed the endpoint meanwhile.
            StageFailedError: A check could not run.
            MlflowError: MLflow refused or did not answer.
        """
        target, wanted = self._place(run)
        self._promote(run, target, wanted, smoke=result.outputs["smoke"])

    def _promote(self, run: RunContext, target: ServingTarget, wanted: Revision, *, smoke: ArtifactRef | None) -> None:
        from airflow_ml_provider.mlflow_api.client import MlflowClient
        from airflow_ml_provider.mlflow_api.registry import CHAMPION, ModelRegistry

        name, version = self._version()
        registry = ModelRegistry(MlflowClient(run.connections.mlflow(str(self.mlflow_conn_id))))
        by = f"{run.identity.pipeline} {run.identity.dag_run}"

        def flip(found: Revision) -> None:
            before = registry.version_of_alias(found.model, CHAMPION)
            registry.promote(found.model, found.version, by=by)
            registry.set_tag(found.model, found.version, ENDPOINT_TAG, target.url)
            if before is not None and str(before["version"]) != found.version:
                registry.delete_tag(found.model, str(before["version"]), ENDPOINT_TAG)

        def champion(model: str) -> str | None:
            found = registry.version_of_alias(model, CHAMPION)
            return None if found is None else str(found["version"])

        promotion = self._promotion(run, target, smoke, flip=flip, champion=champion)
        before = champion(name)
        promotion.run(wanted)
        now = champion(name)
        about = {
            "url": target.url,
            "model": name,
            "version": version,
            "revision": wanted.name,
            "champion": now,
            "promoted": now == version != before,
        }
        run.outputs.push("endpoint", about)
        run.outputs.push(ENDPOINT_URL, target.url)

    def _promotion(
        self,
        run: RunContext,
        target: ServingTarget,
        smoke: ArtifactRef | None,
        *,
        flip: Callable[[Revision], None],
        champion: Callable[[str], str | None],
    ) -> Promotion:
        from airflow_ml_provider.serving.checks import ServeChecks
        from airflow_ml_provider.serving.promotion import Canary, Promotion

        checks = ServeChecks(self, run, smoke=smoke)
        watched: list[dict[str, float]] = []

        def watch(percent: int, new: Sequence[str], old: Sequence[str]) -> None:
            observed, faults = checks.watch(percent=percent, new=new, old=old)
            watched.append(observed)
            run.outputs.push("canary", watched)
            verdict = judge(guard_at(self.guard, beside_others=bool(old)), observed)
            for reason in verdict.reasons:
                run.log.info("Guard at %d %%: %s", percent, reason)
            if not verdict.passed:
                lines = "".join(f"\n  | {line}" for line in faults)
                raise CheckFailedError(
                    f"the guard does not hold with {percent} % of the requests at version {self._version()[1]}: "
                    f"{'; '.join(verdict.reasons)}; what served before serves{lines}"
                )

        return Promotion(
            target,
            canary=Canary(checked_steps(self.canary), self.replicas, self.ready_timeout.total_seconds()),
            smoke=checks.smoke,
            watch=watch,
            flip=flip,
            champion=champion,
            stopped=lambda: run.stop.requested,
            log=run.log,
        )

    def _place(self, run: RunContext) -> tuple[ServingTarget, Revision]:
        from airflow_ml_provider.serving.places import serving_place

        name, version = self._version()
        slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
        slug = slug if slug[:1].isalpha() else f"model-{slug}"
        endpoint = self.endpoint or slug[:45].strip("-")
        if not _ENDPOINT.fullmatch(endpoint):
            raise StageConfigurationError(
                f"stage {self.task_id!r}: endpoint {endpoint!r} is not a name of a Service: start with a letter, go "
                f"on with a-z, 0-9 and '-', 45 characters at most"
            )
        return serving_place(self, run, endpoint=endpoint, model=name, version=version)

    def _version(self) -> tuple[str, str]:
        model = self.model
        known = isinstance(model, Mapping) and {"name", "version"} <= model.keys()
        if not known or not str(model["version"]).isdecimal():
            raise StageConfigurationError(
                f"stage {self.task_id!r}: {model!r} is not a registered model: pass register.output['model']"
            )
        return str(model["name"]), str(model["version"])
