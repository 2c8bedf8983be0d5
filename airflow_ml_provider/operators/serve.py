"""A registered model behind an endpoint."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_ml_provider.decisions.serving.request_limits import request_limits
from airflow_ml_provider.decisions.stage_rules import require_serve
from airflow_ml_provider.errors import StageConfigurationError, settings_of
from airflow_ml_provider.kinds.stage import Stage
from airflow_ml_provider.operators.links import EndpointLink, MlflowRunLink
from airflow_ml_provider.operators.stage import StageOperator
from airflow_ml_provider.serving.serve_stage import DEFAULT_GUARD, ServeStage

if TYPE_CHECKING:
    from airflow.sdk import Context

TARGETS = ("deployment", "kserve", "local")
ENDPOINT_TAG = "airflow_ml.endpoint"
"""The tag of a version that says where it serves."""
CHECK_RESOURCES: Mapping[str, str] = {"cpu": "100m", "memory": "512Mi"}
_ENDPOINT = re.compile(r"[a-z]([a-z0-9-]{0,43}[a-z0-9])?")
_AUTOSCALE = {"max", "cpu"}


class ServeOperator(StageOperator):
    """Serves a registered version, once it answers as the model itself does, and makes it champion.

    New servers start next to those that serve; each is asked, and its answer compared with the model's own; then they
    get more and more of the requests while a guard watches; in the end the alias ``champion`` moves. Whatever fails on
    the way puts back what served before. The XCom ``endpoint`` holds url, model, version, revision,
    the ``champion`` now, and whether this run ``promoted`` it.

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
        limits: What one request may be: ``{"body": "4Mi", "rows": 10000, "columns": 2000, "seconds": 30}``, or a
            part of these.
        servers_need_code: Whether the servers get ``code`` too, for a model that imports it.
        port: Where the endpoint listens on the local runner; 0 for a free port.
        gates: Verdicts of evaluate stages (``[evaluate.output["gate"]]``); a model that did not pass is not served.
    """

    stage_class: ClassVar[type[Stage]] = ServeStage

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
        limits: Mapping[str, Any] | None = None,
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
        self.limits = dict(limits or {})
        self.servers_need_code = servers_need_code
        self.port = port
        self.gates = gates
        self._require_sound_endpoint()

    def stage_settings(self, context: Context) -> dict[str, Any]:
        """Return the fields of the stage by name; on a cluster its servers are like its pod."""
        given = super().stage_settings(context)
        if self._settings().runner == "local":
            return given
        return {**given, "pods": self.pod_settings(context, staged=False)}

    def _require_sound_endpoint(self) -> None:
        stage = f"stage {self.task_id!r}"
        if self.servers_need_code and not self.code:
            raise StageConfigurationError(f"{stage}: servers_need_code, and there is no code")
        if self.mlflow_conn_id is None:
            raise StageConfigurationError(f"{stage}: serve needs MLflow: set mlflow_conn_id")
        if self.target not in TARGETS:
            raise StageConfigurationError(f"{stage}: target is {self.target!r}; allowed are {', '.join(TARGETS)}")
        if self.outputs != self.stage_class.default_outputs:
            raise StageConfigurationError(f"{stage}: serve puts out what its servers were asked, and nothing else")
        with settings_of(self.task_id):
            require_serve(
                canary=self.canary,
                guard=self.guard,
                replicas=self.replicas,
                autoscale=self.autoscale,
                command=self.command,
            )
            request_limits(self.limits)
        if self.replicas < 1 or not 0 <= self.log_requests <= 1 or self.probe_rate <= 0:
            raise StageConfigurationError(
                f"{stage}: replicas={self.replicas}, log_requests={self.log_requests}, probe_rate={self.probe_rate}: "
                f"at least one server, a part from 0 to 1, and a rate above 0 are wanted"
            )
