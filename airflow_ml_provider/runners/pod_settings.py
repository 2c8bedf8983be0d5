"""How an operator's arguments describe the pod of a stage, after rendering."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn

from airflow_ml_provider.decisions.pods.pending import Patience
from airflow_ml_provider.protocol.staged import MAIN

if TYPE_CHECKING:
    from kubernetes.client import CoreV1Api, V1Pod


@dataclass(frozen=True, kw_only=True)
class ContainerLogSettings:
    """Which containers' logs a task shows, and how.

    Attributes:
        get_logs: Whether the stage's own is shown.
        containers: Further containers, ``True`` for all.
        init_containers: Init containers, ``True`` for all.
        prefixed: Whether lines of other containers than the stage's own begin with the container's name.
        formatter: Makes a line of the task's log of a container's name and line.
        progress: Gets each line.
    """

    get_logs: bool = True
    containers: bool | str | Iterable[str] | None = None
    init_containers: bool | str | Iterable[str] | None = None
    prefixed: bool = True
    formatter: Callable[[str, str], str] | None = None
    progress: Callable[[str], None] | None = None


@dataclass(frozen=True, kw_only=True)
class PodSettings:
    """The pod of a stage.

    Attributes:
        task_id: The stage.
        name: What the pod's name begins with, empty for the stage's name.
        container: The container that does the stage's work, or commits in a staged pod.
        staged: Whether inputs and outputs have containers of their own.
        io_image: The image of those, empty when none is known.
        template: Path of the pod template that is used, empty when there is none.
        build: Returns the pod of the arguments, template, connection and config, without what makes it a stage's.
        build_unlabelled: The same, without labels of the task.
        named_image: The image that the arguments or the configuration name, empty where only a template does.
        image: Returns the image of the stage's container, empty where none is named.
        client: Returns a client of the cluster.
        access: How a triggerer reaches the cluster: ``conn_id``, ``in_cluster``, ``config_file``, ``cluster_context``.
        startup_seconds: How long a pod may take from a node to its start.
        capacity_timeout: How long it may wait for a node; ``None`` for as long as the task may run.
        execution_timeout: How long the task may run.
        started: When the task began.
        deferrable: Whether the stage is left to a triggerer when it takes longer than ``defer_after``.
        defer_after: For how long it is followed in its task before that, in seconds.
        defer: Leaves the task to a trigger; raises.
        keep_on_kill: Whether the pod lives on when the task receives SIGTERM.
        on_finish_action: Which ended pods are kept, a value of KubernetesPodOperator's.
        grace_seconds: How long a pod that is deleted has to end.
        logs: Which logs are shown.
        callbacks: KubernetesPodOperator's callbacks.
        about: What those are called with: the operator and the context.
        created: Gets the pod that was created.
    """

    task_id: str
    container: str
    build: Callable[[], V1Pod]
    build_unlabelled: Callable[[], V1Pod]
    image: Callable[[], str]
    client: Callable[[], CoreV1Api]
    access: Mapping[str, Any]
    startup_seconds: float
    defer: Callable[..., NoReturn]
    on_finish_action: str
    name: str = ""
    named_image: str = ""
    staged: bool = False
    io_image: str = ""
    template: str = ""
    capacity_timeout: dt.timedelta | None = None
    execution_timeout: dt.timedelta | None = None
    started: dt.datetime | None = None
    deferrable: bool = False
    defer_after: float = 0.0
    keep_on_kill: bool = False
    grace_seconds: int | None = None
    logs: ContainerLogSettings = field(default_factory=ContainerLogSettings)
    callbacks: Sequence[Any] = ()
    about: Mapping[str, Any] = field(default_factory=dict)
    created: Callable[[V1Pod], None] = lambda pod: None

    @property
    def log_container(self) -> str:
        """The container that does the stage's own work."""
        return MAIN if self.staged else self.container

    @property
    def patience(self) -> Patience:
        """How long a pod may take to get a node, and to start there."""
        capacity = self.capacity_timeout
        return Patience(startup=self.startup_seconds, capacity=None if capacity is None else capacity.total_seconds())

    @property
    def deadline(self) -> float | None:
        """When the task's time is up, in seconds since the epoch; ``None`` without a timeout."""
        if self.execution_timeout is None or self.started is None:
            return None
        return (self.started + self.execution_timeout).timestamp()

    def time_left(self, *, more: float = 0.0) -> dt.timedelta | None:
        """Return how much of the task's time is left, and so many seconds more; ``None`` without a timeout."""
        end = self.deadline
        return None if end is None else dt.timedelta(seconds=max(0.0, end - time.time()) + more)
