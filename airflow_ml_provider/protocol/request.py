"""The request: all that a stage needs to know to run, and nothing secret."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from airflow_ml_provider.protocol.artifact import ARTIFACT_TYPES, ArtifactRef
from airflow_ml_provider.protocol.codec import from_json, to_json
from airflow_ml_provider.protocol.errors import ProtocolError
from airflow_ml_provider.protocol.names import CHECKPOINTS, require_name
from airflow_ml_provider.protocol.version import PROTOCOL_VERSION, REQUEST_LIMIT_BYTES


@dataclass(frozen=True)
class Tracking:
    """The MLflow run that user logging goes to; credentials travel apart, in the environment.

    Attributes:
        uri: The tracking server's URI, without credentials.
        run_id: The run of this attempt.
        experiment_id: The experiment that the run belongs to.
    """

    uri: str
    run_id: str
    experiment_id: str


@dataclass(frozen=True)
class Checkpoints:
    """What is kept of an attempt while it works.

    Attributes:
        every: How often it is brought to the store, in seconds.
        resume: What earlier attempts left, the newest first; the first that is sound is used.
    """

    every: float
    resume: tuple[ArtifactRef, ...] = ()


@dataclass(frozen=True)
class StageRequest:
    """One attempt at one stage.

    ``run``, ``command`` or ``body`` says what is to be executed; with a body, what the body calls.

    Attributes:
        kind: The stage's kind as in the YAML (``train``).
        pipeline: The pipeline's (DAG's) id.
        stage: The stage's (task's) id.
        dag_run: The DagRun's id.
        attempt: ``<try>.<process or pod>``.
        attempt_uri: The directory in the store that this attempt alone writes to.
        run: ``module:function`` of plain Python code.
        command: A command line in any language.
        body: The name of a built-in stage body.
        params: Keyword arguments of the function, JSON values.
        options: Settings of a built-in body, JSON values.
        inputs: Artifacts by input name.
        outputs: Artifact types by output name.
        code: The packed code folder, a zip file in the store.
        body_code: The packed body, where it is a built-in one.
        tracking: Where user logging goes; ``None`` when the work is not tracked.
        checkpoints: What outlives the attempt when it is cut short; ``None`` for nothing.
        map_index: The index of a mapped task, -1 otherwise.
        protocol: The version that this request speaks.
    """

    kind: str
    pipeline: str
    stage: str
    dag_run: str
    attempt: str
    attempt_uri: str
    run: str | None = None
    command: tuple[str, ...] = ()
    body: str | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, ArtifactRef] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)
    code: ArtifactRef | None = None
    body_code: ArtifactRef | None = None
    tracking: Tracking | None = None
    checkpoints: Checkpoints | None = None
    map_index: int = -1
    protocol: int = PROTOCOL_VERSION

    def __post_init__(self) -> None:
        if self.protocol != PROTOCOL_VERSION:
            raise ProtocolError(
                f"request speaks protocol {self.protocol}, this side speaks {PROTOCOL_VERSION}: "
                f"use the same airflow-ml-provider version in Airflow and in the stage's image"
            )
        if (self.run and self.command) or not (self.run or self.command or self.body):
            raise ProtocolError(
                f"stage {self.stage!r} needs one of run and command, or a built-in body, got "
                f"run={self.run!r}, command={list(self.command)!r}, body={self.body!r}"
            )
        for name in self.inputs:
            require_name(name, of="input")
        for name, artifact_type in self.outputs.items():
            require_name(name, of="output")
            if artifact_type not in ARTIFACT_TYPES:
                raise ProtocolError(
                    f"output {name!r} has type {artifact_type!r}, not one of {', '.join(ARTIFACT_TYPES)}"
                )
        for name in self.params:
            require_name(name, of="param")
        if self.checkpoints is not None and CHECKPOINTS in {*self.inputs, *self.outputs, *self.params}:
            raise ProtocolError(
                f"stage {self.stage!r}: {CHECKPOINTS!r} is the folder of its checkpoints; rename the input, output or "
                f"param of that name"
            )
        for first, second, names in (
            ("input", "output", self.inputs.keys() & self.outputs.keys()),
            ("input", "param", self.inputs.keys() & self.params.keys()),
            ("output", "param", self.outputs.keys() & self.params.keys()),
        ):
            if names and self.body is None:
                raise ProtocolError(
                    f"stage {self.stage!r}: {min(names)!r} is the name of an {first} and of a {second}; "
                    f"all are arguments of one function, so rename one of them"
                )

    def to_json(self) -> str:
        """Return the request as JSON.

        Raises:
            ProtocolError: A param is not a JSON value, or the request is over 96 KiB.
        """
        return to_json(self, limit=REQUEST_LIMIT_BYTES)

    @classmethod
    def from_json(cls, text: str | bytes) -> StageRequest:
        """Read a request from JSON.

        Raises:
            ProtocolError: The text is not a request of this protocol version.
        """
        return from_json(cls, text, limit=REQUEST_LIMIT_BYTES)

    def work_digest(self) -> str:
        """Return a digest of what is to be done, equal for every attempt at the same work."""
        work = replace(self, attempt="", attempt_uri="", tracking=None, checkpoints=None, body_code=None)
        return f"sha256:{hashlib.sha256(work.to_json().encode()).hexdigest()}"
