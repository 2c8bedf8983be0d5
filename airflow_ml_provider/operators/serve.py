"""A registered model behind an endpoint."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_ml_provider.decisions.models.gate import judge
from airflow_ml_provider.decisions.serving.rollout import Revision, Serving, checked_steps, guard_at
from airflow_ml_provider.decisions.stage_rules import require_serve
from airflow_ml_provider.errors import CheckFailedError, GateFailedError, StageConfigurationError, settings_of
from airflow_ml_provider.exceptions import raised_as_airflow
from airflow_ml_provider.operators.links import ENDPOINT_URL, EndpointLink, MlflowRunLink
from airflow_ml_provider.operators.stage import StageOperator
from airflow_ml_provider.protocol.artifact import ArtifactRef

if TYPE_CHECKING:
    from airflow.sdk import Context
    from kubernetes.client import V1Pod

    from airflow_ml_provider.artifacts.store import ArtifactStore
    from airflow_ml_provider.attempts.identity import StageIdentity
    from airflow_ml_provider.protocol.result import StageResult
    from airflow_ml_provider.serving.checks import ServeChecks
    from airflow_ml_provider.serving.promotion import Promotion
    from airflow_ml_provider.serving.target import ServingTarget

TARGETS = ("deployment", "kserve", "local")
ENDPOINT_TAG = "airflow_ml.endpoint"
"""The tag of a version that says where it serves."""
DEFAULT_GUARD: Mapping[str, str] = {"error_rate": "< 0.01"}
CHECK_RESOURCES: Mapping[str, str] = {"cpu": "100m", "memory": "512Mi"}
_ENDPOINT = re.compile(r"[a-z]([a-z0-9-]{0,43}[a-z0-9])?")
_AUTOSCALE = {"max", "cpu"}


class ServeOperator(StageOperator):
    """Serves a registered version, once it answers as the model itself does, and makes it champion.

    New servers start beside those that serve; each is asked, and its answer compared with the model's own; then they
    get more and more of the requests while a guard watches; in the end the alias ``champion`` moves. Whatever fails on
    the way puts back what served before. The XCom ``endpoint`` holds url, model, version and revision.

    On the local runner the servers are processes of this machine, whatever ``target`` says.

    Args:
        model: What a register stage put out (``register.output["model"]``).
        target: ``deployment``: a Service and a Deployment for each revision; ``kserve``: an InferenceService;
            ``local``: processes of this machine.
        endpoint: The endpoint's name, and the Service's or InferenceService's; default is made of the model's name.
        server: A command, your own server in place of MLflow's: it listens at ``$PORT``, answers ``/ping`` with 200
            once it is ready and ``/invocations`` in MLflow's scoring protocol, with the model at
            ``$AIRFLOW_ML_MODEL_URI``.
        replicas: How many servers there are.
        autoscale: ``{"max": 10, "cpu": 80}``: as many as use so much of the CPU they ask for, in percent, from
            ``replicas`` to ``max``.
        canary: Percents of the requests that new servers get before they get all.
        hold: How long each step is watched.
        guard: Thresholds of what is watched: ``error_rate``, ``p95_seconds``, ... and what ``run`` returns.
        run: ``module:function`` that gets ``observed``, a mapping of what was measured, and returns more metrics.
        probe_rate: How many requests a second the watch itself sends to the new servers.
        ready_timeout: How long new servers may take until they are ready.
        example: A dataset whose first rows the servers are asked for; default is the model's input example.
        log_requests: Which part of the requests is kept in the store, with the answers; 0 for none.
        servers_need_code: Whether the servers get ``code`` too, for a model that imports it.
        port: Where the endpoint listens on the local runner; 0 for a free port.
        gates: Verdicts of evaluate stages (``[evaluate.output["gate"]]``); a model that did not pass is not served.
    """

    kind: ClassVar[str] = "serve"
    body: ClassVar[str | None] = "serve"
    body_calls_code: bool = True
    needs_tracking: bool = True
    never_reused: ClassVar[str] = "what serves is looked at each time"
    default_outputs: ClassVar[Mapping[str, str]] = {"smoke": "report"}
    template_fields: Sequence[str] = tuple(
        sorted({*StageOperator.template_fields, "endpoint", "gates", "model", "server"})
    )
    operator_extra_links = (MlflowRunLink(), EndpointLink())

    def __init__(
        self,
        *,
        model: Any,
        target: str = "deployment",
        endpoint: str = "",
        server: Sequence[str] | None = None,
        replicas: int = 1,
        autoscale: Mapping[str, int] | None = None,
        canary: Sequence[int] = (),
        hold: timedelta = timedelta(minutes=1),
        guard: Mapping[str, str] | None = None,
        probe_rate: float = 2.0,
        ready_timeout: timedelta = timedelta(minutes=10),
        example: Any = None,
        log_requests: float = 0.0,
        servers_need_code: bool = False,
        port: int = 8088,
        gates: Sequence[Any] = (),
        **kwargs: Any,
    ) -> None:
        # Meanwhile new servers get requests.
        kwargs.setdefault("capacity_timeout", ready_timeout)
        super().__init__(inputs={} if example is None else {"example": example}, **kwargs)
        self.model = model
        self.target = target
        self.endpoint = endpoint
        self.server = server
        self.replicas = replicas
        self.autoscale = None if autoscale is None else dict(autoscale)
        self.canary = tuple(canary)
        self.hold = hold
        self.guard = dict(DEFAULT_GUARD if guard is None else guard)
        self.probe_rate = probe_rate
        self.ready_timeout = ready_timeout
        self.log_requests = log_requests
        self.servers_need_code = servers_need_code
        self.port = port
        self.gates = gates
        self._checks: ServeChecks | None = None
        self._require_sound_endpoint()

    @raised_as_airflow()
    def execute(self, context: Context) -> None:
        """Serve; where the version is served already, nothing runs.

        Raises:
            StageConfigurationError: The stage does not fit the model or the cluster.
            CheckFailedError: The new servers answer otherwise than the model, or the guard did not hold.
            NotServingError: They did not become ready.
            ServingChangedError: Another run changed the endpoint meanwhile.
            StageFailedError: A check could not run.
            MlflowError: MLflow refused or did not answer.
        """
        for gate in self.gates:
            if not (isinstance(gate, Mapping) and gate.get("passed") is True):
                raise GateFailedError(
                    f"stage {self.task_id!r}: the model did not pass its gate, and is not served: {gate}"
                )
        target, wanted = self._place(context)
        if target.read() == Serving(stable=wanted):
            self._promote(context, target, wanted, smoke=None)
            return
        super().execute(context)

    def accept(self, context: Context, result: StageResult) -> Sequence[str] | None:
        """Bring the new servers in, now that it is known what they are to answer."""
        target, wanted = self._place(context)
        self._promote(context, target, wanted, smoke=result.outputs["smoke"])
        return None

    def options(self, context: Context, *, identity: StageIdentity, store: ArtifactStore) -> dict[str, Any]:
        """Return the first part: what the model itself answers."""
        name, version = self._version()
        return {"part": "example", "model": {"name": name, "version": version}}

    def on_kill(self) -> None:
        """End what runs; the promotion puts back what served."""
        super().on_kill()
        if self._checks is not None:
            self._checks.stop()

    @property
    def is_staged(self) -> bool:
        """Whether a pod of this stage has containers of its own for inputs and outputs."""
        return False

    def build_pod_request_obj(self, context: Context | None = None, *, dry_run: bool = False) -> V1Pod:
        """Return the pod of the arguments; what only asks servers needs little."""
        pod = super().build_pod_request_obj(context, dry_run=dry_run)
        if self._checks is not None and self._checks.asking:
            from airflow_ml_provider.pod.compose import stage_container
            from airflow_ml_provider.pod.resources import resource_requirements

            base = stage_container(pod, self.base_container_name, stage=self.task_id)
            base.resources = resource_requirements(CHECK_RESOURCES)
        return pod

    def _promote(self, context: Context, target: ServingTarget, wanted: Revision, *, smoke: ArtifactRef | None) -> None:
        from airflow_ml_provider.hooks.mlflow_registry import CHAMPION, ModelRegistry

        name, version = self._version()
        registry = ModelRegistry(str(self.mlflow_conn_id))
        by = f"{context['ti'].dag_id} {context['ti'].run_id}"

        def flip(found: Revision) -> None:
            before = registry.version_of_alias(found.model, CHAMPION)
            registry.promote(found.model, found.version, by=by)
            registry.set_tag(found.model, found.version, ENDPOINT_TAG, target.url)
            if before is not None and str(before["version"]) != found.version:
                registry.delete_tag(found.model, str(before["version"]), ENDPOINT_TAG)

        def champion(model: str) -> str | None:
            found = registry.version_of_alias(model, CHAMPION)
            return None if found is None else str(found["version"])

        promotion = self._promotion(context, target, smoke, flip=flip, champion=champion)
        promotion.run(wanted)
        about = {"url": target.url, "model": name, "version": version, "revision": wanted.name}
        context["ti"].xcom_push(key="endpoint", value=about)
        context["ti"].xcom_push(key=ENDPOINT_URL, value=target.url)

    def _promotion(
        self,
        context: Context,
        target: ServingTarget,
        smoke: ArtifactRef | None,
        *,
        flip: Callable[[Revision], None],
        champion: Callable[[str], str | None],
    ) -> Promotion:
        from airflow_ml_provider.serving.checks import ServeChecks
        from airflow_ml_provider.serving.promotion import Canary, Promotion

        self._checks = checks = ServeChecks(self, context, smoke=smoke)
        watched: list[dict[str, float]] = []

        def watch(percent: int, new: Sequence[str], old: Sequence[str]) -> None:
            observed, faults = checks.watch(percent=percent, new=new, old=old)
            watched.append(observed)
            context["ti"].xcom_push(key="canary", value=watched)
            verdict = judge(guard_at(self.guard, beside_others=bool(old)), observed)
            for reason in verdict.reasons:
                self.log.info("Guard at %d %%: %s", percent, reason)
            if not verdict.passed:
                told = "".join(f"\n  | {line}" for line in faults)
                raise CheckFailedError(
                    f"the guard does not hold with {percent} % of the requests at version {self._version()[1]}: "
                    f"{'; '.join(verdict.reasons)}; what served before serves{told}"
                )

        return Promotion(
            target,
            canary=Canary(checked_steps(self.canary), self.replicas, self.ready_timeout.total_seconds()),
            smoke=checks.smoke,
            watch=watch,
            flip=flip,
            champion=champion,
            stopped=lambda: self._killed,
            log=self.log,
        )

    def _place(self, context: Context) -> tuple[ServingTarget, Revision]:
        from airflow_ml_provider.serving.places import serving_place

        name, version = self._version()
        slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
        slug = slug if slug[:1].isalpha() else f"model-{slug}"
        endpoint = self.endpoint or slug[:45].strip("-")
        if not _ENDPOINT.fullmatch(endpoint):
            raise StageConfigurationError(
                f"stage {self.task_id!r}: endpoint {endpoint!r} is no name of a Service: start with a letter, go "
                f"on with a-z, 0-9 and '-', 45 characters at most"
            )
        return serving_place(self, context, endpoint=endpoint, model=name, version=version)

    def _version(self) -> tuple[str, str]:
        model = self.model
        known = isinstance(model, Mapping) and {"name", "version"} <= model.keys()
        if not known or not str(model["version"]).isdecimal():
            raise StageConfigurationError(
                f"stage {self.task_id!r}: {model!r} is no registered model: pass register.output['model']"
            )
        return str(model["name"]), str(model["version"])

    def _require_sound_endpoint(self) -> None:
        stage = f"stage {self.task_id!r}"
        if self.servers_need_code and not self.code:
            raise StageConfigurationError(f"{stage}: servers_need_code, and there is no code")
        if self.mlflow_conn_id is None:
            raise StageConfigurationError(f"{stage}: serve needs MLflow: set mlflow_conn_id")
        if self.target not in TARGETS:
            raise StageConfigurationError(f"{stage}: target is {self.target!r}; allowed are {', '.join(TARGETS)}")
        if self.outputs != self.default_outputs:
            raise StageConfigurationError(f"{stage}: serve puts out what its servers were asked, and nothing else")
        with settings_of(self.task_id):
            require_serve(
                canary=self.canary,
                guard=self.guard,
                replicas=self.replicas,
                autoscale=self.autoscale,
                command=self.command,
            )
        if self.replicas < 1 or not 0 <= self.log_requests <= 1 or self.probe_rate <= 0:
            raise StageConfigurationError(
                f"{stage}: replicas={self.replicas}, log_requests={self.log_requests}, probe_rate={self.probe_rate}: "
                f"at least one server, a part from 0 to 1, and a rate above 0 are wanted"
            )
