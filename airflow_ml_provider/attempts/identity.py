"""Which stage of which run this task instance is, and which attempt."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airflow_ml_provider.artifacts.errors import AlreadyExistsError
from airflow_ml_provider.artifacts.layout import ATTEMPT, attempt_uri, join, run_uri, stage_uri
from airflow_ml_provider.artifacts.objects import create_object


@dataclass(frozen=True)
class StageIdentity:
    """A task instance as the store and MLflow know it.

    Attributes:
        store: URI of the artifact store.
        pipeline: The DAG's id.
        dag_run: The DagRun's id.
        stage: The task's id.
        map_index: -1 when the task is not mapped.
        try_number: Counts from 1.
    """

    store: str
    pipeline: str
    dag_run: str
    stage: str
    map_index: int
    try_number: int

    @property
    def label(self) -> str:
        """The stage's name for people."""
        return self.stage if self.map_index < 0 else f"{self.stage}[{self.map_index}]"

    @property
    def run_uri(self) -> str:
        """The directory of the DagRun in the store."""
        return run_uri(self.store, pipeline=self.pipeline, dag_run=self.dag_run)

    @property
    def stage_uri(self) -> str:
        """The directory of all attempts at this stage."""
        return stage_uri(
            self.store,
            pipeline=self.pipeline,
            dag_run=self.dag_run,
            stage=self.stage,
            map_index=self.map_index,
        )

    def claim_attempt(self, about: Mapping[str, Any]) -> tuple[str, str]:
        """Take an attempt directory that nobody had before; returns the attempt and its URI.

        Args:
            about: What is kept there about the attempt, JSON values: what it runs and what goes into it.

        The number behind the try grows when a directory was taken (the same DagRun id was used again).

        Raises:
            StoreUnavailableError: The store did not answer.
        """
        counter = 1
        while True:
            attempt = f"{self.try_number}.{counter}"
            uri = attempt_uri(self.stage_uri, attempt)
            try:
                create_object(join(uri, ATTEMPT), json.dumps({"attempt": attempt, **about}).encode())
            except AlreadyExistsError:
                counter += 1
            else:
                return attempt, uri
