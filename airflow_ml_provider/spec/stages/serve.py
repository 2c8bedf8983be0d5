"""Kind ``serve``."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from airflow_ml_provider.decisions.models.gate import Threshold
from airflow_ml_provider.decisions.serving.request_limits import request_limits
from airflow_ml_provider.decisions.serving.rollout import checked_steps
from airflow_ml_provider.decisions.stage_rules import require_serve
from airflow_ml_provider.spec.checked import Checked
from airflow_ml_provider.spec.fields import Duration, StageReference
from airflow_ml_provider.spec.references import Reference
from airflow_ml_provider.spec.stages import CodeStageSpec, Surroundings


def _steps(value: Any) -> list[int]:
    if not isinstance(value, list):
        raise ValueError(f"{value!r} is not a list of percents: write such as [10, 50, 100]")
    checked_steps(value)
    return value


def _guard(value: Any) -> dict[str, str]:
    if not isinstance(value, Mapping):
        raise ValueError(f'{value!r} is not a guard: write a mapping such as {{error_rate: "< 0.01"}}')
    for text in value.values():
        Threshold.parse(text)
    return dict(value)


def _autoscale(value: Any) -> dict[str, int]:
    whole = isinstance(value, Mapping) and all(type(number) is int and number > 0 for number in value.values())
    if not whole or value.keys() != {"max", "cpu"}:
        raise ValueError(f"{value!r} is not an autoscale: write {{max: 10, cpu: 80}}, servers and percent of their CPU")
    return dict(value)


def _limits(value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError(f"limits is {value!r}: write a mapping such as {{body: 4Mi, rows: 10000}}")
    request_limits(value)
    return dict(value)


_NOT_TAKEN = ("command", "inputs", "outputs", "io", "checkpoints")
_STEP = {"type": "integer", "minimum": 1, "maximum": 100}
_COUNT = {"type": "integer", "minimum": 1}
_SECONDS = {"type": "number", "exclusiveMinimum": 0, "maximum": 3600}


class ServeSpec(CodeStageSpec):
    """Serves a registered version once it answers as the model itself does, and makes it champion."""

    kind: Literal["serve"] = Field(description="What the stage does", examples=["serve"])
    model: StageReference = Field(description="The registered model", examples=["register.model"])
    target: Literal["deployment", "kserve", "local"] = Field(
        default="deployment",
        description="What serves: a Deployment, or KServe; on the local runner always processes of this machine",
        examples=["deployment"],
    )
    endpoint: str = Field(
        default="",
        pattern=r"^$|^[a-z]([a-z0-9-]{0,43}[a-z0-9])?$|\{\{",
        description="The endpoint's name, and the Service's; default is made of the model's name",
        examples=["flight-delays"],
    )
    server: list[str] | None = Field(
        default=None,
        min_length=1,
        description="A server of your own: it listens at $PORT and answers /ping and /invocations as MLflow's does",
        examples=[["python", "server.py"]],
    )
    replicas: int = Field(default=1, ge=1, le=1000, description="How many servers there are", examples=[3])
    autoscale: (
        Annotated[
            dict[str, int],
            Checked(
                _autoscale,
                {
                    "type": "object",
                    "properties": {"max": _COUNT, "cpu": _COUNT},
                    "required": ["max", "cpu"],
                    "additionalProperties": False,
                },
            ),
        ]
        | None
    ) = Field(
        default=None,
        description="Up to how many servers, and at which use of their CPU in percent there are more",
        examples=[{"max": 10, "cpu": 80}],
    )
    canary: Annotated[list[int], Checked(_steps, {"type": "array", "items": _STEP})] = Field(
        default=[],
        description="Percents of the requests that new servers get before they get all",
        examples=[[10, 50, 100]],
    )
    hold: Duration = Field(
        default=timedelta(minutes=1), description="How long each step of the canary is watched", examples=["10m"]
    )
    guard: Annotated[
        dict[str, str],
        Checked(_guard, {"type": "object", "additionalProperties": {"type": "string", "pattern": "^ *(<=|>=|<|>)"}}),
    ] = Field(
        default={"error_rate": "< 0.01"},
        description="Thresholds of what is watched: error_rate, p95_seconds, ... and what run returns",
        examples=[{"error_rate": "< 0.01", "p95_seconds": "< 0.5"}],
    )
    probe_rate: float = Field(
        default=2.0, gt=0, le=1000, description="How many requests a second the watch itself sends", examples=[10]
    )
    ready_timeout: Duration = Field(
        default=timedelta(minutes=10), description="How long new servers may take until they are ready", examples=["5m"]
    )
    example: StageReference | None = Field(
        default=None,
        description="A dataset whose first rows servers are asked for; default is the model's input example",
        examples=["features.test"],
    )
    log_requests: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Which part of the requests is kept in the store, with the answers",
        examples=[0.1],
    )
    limits: Annotated[
        dict[str, Any],
        Checked(
            _limits,
            {
                "type": "object",
                "properties": {
                    "body": {"type": ["string", "integer"]},
                    "rows": _COUNT,
                    "columns": _COUNT,
                    "seconds": _SECONDS,
                },
                "additionalProperties": False,
            },
        ),
    ] = Field(
        default={},
        description="What one request may be: body (a quantity), rows, columns, seconds to arrive",
        examples=[{"body": "16Mi", "rows": 50000}],
    )
    servers_need_code: bool = Field(
        default=False, description="Whether the servers get code too, for a model that imports it", examples=[True]
    )
    port: int = Field(
        default=8088, ge=0, le=65535, description="Where the endpoint listens on the local runner", examples=[8088]
    )

    needs_code: ClassVar[bool] = False
    loads_model: ClassVar[bool] = True
    promotes: ClassVar[bool] = True
    serves: ClassVar[bool] = True
    argument_names: ClassVar[Mapping[str, str]] = {"params": "hyperparameters"}

    @model_validator(mode="after")
    def _sound(self) -> ServeSpec:
        require_serve(
            canary=self.canary,
            guard=self.guard,
            replicas=self.replicas,
            autoscale=self.autoscale,
            command=self.command,
        )
        for key in _NOT_TAKEN:
            if getattr(self, key):
                raise ValueError(f"serve takes no {key}: its model is a registered version, its result an endpoint")
        return self

    def wanted(self, key: tuple[int | str, ...]) -> tuple[str, ...]:
        """Return what the model is, and the example."""
        return {"model": ("registered model",), "example": ("dataset",)}.get(str(key[0]), ())

    def arguments(self) -> dict[str, Any]:
        """Return what the operator takes."""
        return {name: value for name, value in super().arguments().items() if name not in _NOT_TAKEN}

    def references(self) -> dict[tuple[int | str, ...], Reference]:
        """Return the model, the example, and where params come from."""
        return {
            ("model",): self.model,
            **({("example",): self.example} if self.example else {}),
            **super().references(),
        }

    def completed(self, name: str, around: Surroundings) -> dict[str, Any]:
        """Return the code, and the verdicts that the model was registered with."""
        gates = around.gates_before(self.model.stage)
        return {"code": around.code, "gates": [around.output(Reference(gate, "gate")) for gate in gates]}

    def mlflow_need(self) -> str:
        """Say what the stage needs MLflow for."""
        return "serves one"
