"""What a serve stage is to serve, and how."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_ml_provider.kinds.stage import Stage

if TYPE_CHECKING:
    from airflow_ml_provider.runners.pod_settings import PodSettings


@dataclass(frozen=True, kw_only=True)
class ServeSettings(Stage):
    """The settings of a serve stage; ``ServeOperator`` says what they mean.

    Attributes:
        pods: How its arguments describe a pod; ``None`` on the local runner.
    """

    kind: ClassVar[str] = "serve"
    body: ClassVar[str | None] = "serve"
    template_fields: ClassVar[Sequence[str]] = (*Stage.template_fields, "endpoint", "gates", "model", "server")
    never_reused: ClassVar[str] = "what serves is looked at each time"
    default_outputs: ClassVar[Mapping[str, str]] = {"smoke": "report"}

    model: Any
    target: str = "deployment"
    endpoint: str = ""
    server: Sequence[str] | None = None
    replicas: int = 1
    autoscale: Mapping[str, int] | None = None
    canary: Sequence[int] = ()
    hold: timedelta = timedelta(minutes=1)
    guard: Mapping[str, str] = field(default_factory=dict)
    probe_rate: float = 2.0
    ready_timeout: timedelta = timedelta(minutes=10)
    log_requests: float = 0.0
    limits: Mapping[str, Any] = field(default_factory=dict)
    servers_need_code: bool = False
    port: int = 8088
    gates: Sequence[Any] = ()
    pods: PodSettings | None = None

    @property
    def body_calls_code(self) -> bool:
        """Whether the body runs also where there is code, and calls it: always."""
        return True

    @property
    def needs_tracking(self) -> bool:
        """Whether the stage cannot work without MLflow: always."""
        return True

    @property
    def is_staged(self) -> bool:
        """Whether a pod of this stage has containers of its own for inputs and outputs: never."""
        return False
