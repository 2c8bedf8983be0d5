"""A stage after its templates are rendered: what it is, what its request says, what its result means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from airflow_ml_provider.errors import StageConfigurationError
from airflow_ml_provider.protocol.metrics import DEFAULT_PARAMS

if TYPE_CHECKING:
    from kubernetes.client import V1Job, V1Pod

    from airflow_ml_provider.artifacts.store import ArtifactStore
    from airflow_ml_provider.attempts.run_context import RunContext
    from airflow_ml_provider.decisions.reuse import CachePolicy
    from airflow_ml_provider.protocol.artifact import ArtifactRef
    from airflow_ml_provider.protocol.request import StageRequest
    from airflow_ml_provider.protocol.result import StageResult

__all__ = ["Stage"]


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A stage; a kind is a subclass with fields for its own settings.

    Operators and local runs make it from the same arguments; ``StageOperator`` says what they mean.

    Attributes:
        task_id: Its name.
        base_folder: Where relative paths start, absolute.
        packed_code: Code that is packed already, in place of ``code``.
        known_files: What the store holds, or would hold, of files that go with the stage, by the path that an argument
            names; they are not read then.
        known_defaults: What the code takes by default, by argument, where its text is not to be read.
    """

    kind: ClassVar[str] = "stage"
    body: ClassVar[str | None] = None
    """The built-in body that runs in the stage, or another package's ``module:function``; ``None`` for code alone."""
    run_per_attempt: ClassVar[bool] = True
    """Whether each attempt has an MLflow run of its own."""
    template_fields: ClassVar[Sequence[str]] = ("code", "command", "hyperparameters", "inputs", "run")
    """Arguments in which templates are rendered."""
    value_fields: ClassVar[frozenset[str]] = frozenset()
    """Those of a kind of your own in which a template may bring any value: they name nothing and are no URI."""
    default_outputs: ClassVar[Mapping[str, str]] = {}
    default_trial_outputs: ClassVar[Mapping[str, str]] = {}
    """What trials of the code write, where the kind has trials."""
    never_reused: ClassVar[str] = ""
    """Why results of this kind are never taken from an earlier run; empty where they may be."""
    looks_outside: ClassVar[bool] = False
    """Whether what a result depends on may change while the stage runs."""

    task_id: str
    base_folder: str
    run: str | None = None
    command: Sequence[str] | None = None
    inputs: Mapping[str, Any] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)
    hyperparameters: Mapping[str, Any] | Sequence[Any] = field(default_factory=dict)
    code: str | None = None
    packed_code: bytes | None = None
    known_files: Mapping[str, ArtifactRef] = field(default_factory=dict)
    known_defaults: Mapping[str, Any] | None = None
    stage_resources: Mapping[str, str | int | float] | None = None
    mlflow_conn_id: str | None = "mlflow_default"
    experiment: str | None = None
    max_disruptions: int = 3
    io: str | None = None
    strict_metrics: bool = False
    checkpoints: timedelta | None = None
    cache: bool | Mapping[str, Any] = False
    do_xcom_push: bool = True
    skip_on_exit_code: Sequence[int] = ()
    only_in_pods: Sequence[str] = ()

    @classmethod
    def from_rendered(cls, arguments: Mapping[str, Any]) -> Self:
        """Return the stage of completed arguments whose templates are rendered; those of its task are left out."""
        return cls(**{each.name: arguments[each.name] for each in fields(cls) if each.name in arguments})

    @classmethod
    def completed(cls, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Return an operator's arguments with the defaults of the kind, and inputs by name."""
        outputs = arguments.get("outputs")
        return {**arguments, "outputs": dict(cls.default_outputs if outputs is None else outputs)}

    def take(self, run: RunContext) -> None:
        """Claim what the stage is to work on, before its request is made; done again, nothing changes."""

    def options(self, run: RunContext, *, store: ArtifactStore) -> dict[str, Any]:
        """Return the settings of the body, JSON values; nothing is changed in the world but files put into the store.

        Args:
            run: The task instance.
            store: Where files go to; one that only reads makes the same options.
        """
        return {}

    def accept(self, run: RunContext, result: StageResult) -> Sequence[str] | None:
        """Decide on a successful result; returns the branch to take, ``None`` where there is none.

        Kinds that check something (a suite, a gate) raise here when the check failed.
        """
        return None

    def act(self, run: RunContext, result: StageResult) -> None:
        """Change the world by a result that was accepted; done again, nothing changes."""

    def is_done(self, run: RunContext) -> bool:
        """Whether there is nothing to run."""
        return False

    def companion(self, pod: V1Pod, *, container: str) -> V1Job:
        """Return the Job that runs next to the stage's pod, and fit the pod itself to having one."""
        raise AssertionError(f"{type(self).__name__} has no companion")

    def result_depends_on(self, run: RunContext, request: StageRequest) -> Mapping[str, Any] | str:
        """Return what a result depends on next to code, params and inputs; or why that is not known."""
        return request.options

    def tracked_params(self, result: StageResult) -> dict[str, Any]:
        """Return the params that the stage's MLflow run shows, those that the code took by default among them."""
        return {**result.values.get(DEFAULT_PARAMS, {}), **self.params}

    @property
    def body_calls_code(self) -> bool:
        """Whether the body runs also where there is code, and calls it."""
        return False

    @property
    def needs_tracking(self) -> bool:
        """Whether the stage cannot work without MLflow."""
        return False

    @property
    def has_companion(self) -> bool:
        """Whether a Job runs next to the stage's pod."""
        return False

    @property
    def is_staged(self) -> bool:
        """Whether a pod of this stage has containers of its own for inputs and outputs."""
        return self.io == "staged" or (self.io is None and bool(self.command))

    @property
    def runs_code(self) -> bool:
        """Whether the stage runs code of its author."""
        return bool(self.run or self.command)

    @property
    def params(self) -> dict[str, Any]:
        """The params of the code; of several mappings a later one overrides those before it.

        Raises:
            StageConfigurationError: One of them is not a mapping.
        """
        given = self.hyperparameters
        merged: dict[str, Any] = {}
        for part in given if isinstance(given, list | tuple) else [given]:
            if not isinstance(part, Mapping):
                raise StageConfigurationError(f"stage {self.task_id!r}: hyperparameters has {part!r}, not a mapping")
            merged |= part
        return merged

    @property
    def cache_policy(self) -> CachePolicy | None:
        """How results of this stage are reused, ``None`` when they are not.

        Raises:
            StageConfigurationError: ``cache`` holds what it may not.
        """
        from airflow_ml_provider.kinds.cache_policy import cache_policy

        return cache_policy(self.cache, task_id=self.task_id)

    def code_archive(self) -> bytes | None:
        """Return the packed code that travels to the stage, ``None`` without any.

        Raises:
            StageConfigurationError: The code cannot be packed.
        """
        from airflow_ml_provider.kinds.code import packed_body

        if self.packed_code is not None:
            return self.packed_code
        if self.code:
            return self.shipped(self.code)
        return packed_body(self.body) if self.body and not self.runs_code else None

    def shipped_files(self) -> Mapping[str, str]:
        """Return which files of its author go with the stage: by the path that an argument names, the name's suffix."""
        return {self.code: ".zip"} if self.code and self.packed_code is None else {}

    def shipped(self, path: str) -> bytes:
        """Return the content that goes with the stage of one of its files; of a folder of code the archive.

        Raises:
            StageConfigurationError: It cannot be read, or is not what it should be.
        """
        from airflow_ml_provider.kinds.code import packed_folder

        return packed_folder(Path(self.path_beside(path)))

    def code_defaults(self) -> Mapping[str, Any]:
        """Return what the code takes by default, by argument, as far as its text says it in JSON values."""
        from airflow_ml_provider.spec.checks.code_defaults import code_defaults

        if self.known_defaults is not None:
            return self.known_defaults
        return code_defaults(Path(self.path_beside(self.code)), self.run) if self.run and self.code else {}

    def path_beside(self, path: str) -> str:
        """Return a path or URI, relative ones below the folder of the DAG's or pipeline's file."""
        return path if "://" in path else str(Path(self.base_folder) / path)
