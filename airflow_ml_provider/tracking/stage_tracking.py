"""The MLflow runs of a stage: one parent per DagRun, one child per stage, opened and closed by the operator.

The child is the run of the stage's latest attempt; those of earlier attempts lie below it (docs/adr/0010).
"""

from __future__ import annotations

import json
import logging
import math
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from airflow_ml_provider.artifacts.layout import join
from airflow_ml_provider.attempts.identity import StageIdentity
from airflow_ml_provider.attempts.stage_runs import StageRuns
from airflow_ml_provider.errors import MlflowAuthorizationError, MlflowError
from airflow_ml_provider.mlflow_api.client import MlflowClient
from airflow_ml_provider.protocol.metrics import all_metrics, mark
from airflow_ml_provider.protocol.request import Tracking
from airflow_ml_provider.protocol.result import StageResult
from airflow_ml_provider.tracking.claimed_run import claimed_run_id, published_run_id
from airflow_ml_provider.tracking.metric_curves import complete_curves

log = logging.getLogger(__name__)

PARENT_TAG = "mlflow.parentRunId"
KEY_TAG = "airflow_ml.key"
ROLE_TAG = "airflow_ml.role"
FAILURE_TAG = "airflow_ml.failure"


class StageTracking:
    """Opens and closes the MLflow runs of one stage.

    Args:
        client: The tracking server.
        identity: The stage.
        experiment: The experiment's name.
        kind: The stage's kind, a tag of its run.
        run_per_attempt: Whether each attempt has a run of its own; otherwise a retry goes on in the one there is.
    """

    def __init__(
        self, *, client: MlflowClient, identity: StageIdentity, experiment: str, kind: str, run_per_attempt: bool = True
    ) -> None:
        self._client = client
        self._identity = identity
        self._experiment = experiment
        self._kind = kind
        self._run_per_attempt = run_per_attempt

    def open(self, *, attempt_run: str | None) -> StageRuns:
        """Create or reopen the runs and return them.

        Args:
            attempt_run: The run of an earlier attempt whose result is taken, so that no new one is needed; empty
                where nothing will run.

        Raises:
            MlflowError: MLflow refused or did not answer.
            StoreUnavailableError: The store did not answer.
        """
        identity, uri = self._identity, join(self._identity.stage_uri, "_mlflow")
        experiment_id = self._client.experiment_id(self._experiment)
        parent = self._claim(parent_uri(identity), experiment_id, name=identity.dag_run, role="pipeline", parent=None)
        # Another experiment's name counts from the next DagRun on.
        experiment_id = self._reopened(parent)
        known = published_run_id(uri)
        there = [] if known is None else self._attempts(experiment_id)
        earlier: tuple[str, ...] = ()
        if attempt_run:
            child, earlier = attempt_run, tuple(run_id for run_id in there if run_id != attempt_run)
        elif there and attempt_run is None and self._run_per_attempt:
            child, earlier = self._create(experiment_id, parent), tuple(there)
        elif there:
            child = there[0]
        else:
            child = self._claim(uri, experiment_id, name=identity.label, role="stage", parent=parent)
        runs = StageRuns(experiment_id=experiment_id, parent=parent, child=child, earlier=earlier)
        try:
            self._reopened(child)
            self._put_below(runs)
        except MlflowError:
            with suppress(MlflowError):
                self._client.set_status(child, "FAILED")
            raise
        return runs

    def another(self, runs: StageRuns) -> StageRuns:
        """Open a run for the next attempt of the same try.

        Raises:
            MlflowError: MLflow refused or did not answer; the runs stay as they are.
        """
        if not self._run_per_attempt:
            return runs
        child = self._create(runs.experiment_id, runs.parent)
        return replace(runs, child=child, earlier=(runs.child, *runs.earlier))

    def put_below(self, runs: StageRuns, *, failure: str) -> None:
        """End the attempt before the latest as failed, and show it below the stage's run.

        Raises:
            MlflowError: MLflow refused or did not answer.
        """
        if runs.earlier:
            self._client.log_batch(runs.earlier[0], tags={FAILURE_TAG: failure})
            self._client.set_status(runs.earlier[0], "FAILED")
            self._put_below(runs)

    def request_part(self, runs: StageRuns) -> Tracking:
        """Return what the stage's request says about tracking."""
        return Tracking(uri=self._client.uri, run_id=runs.child, experiment_id=runs.experiment_id)

    def close(
        self,
        runs: StageRuns,
        *,
        status: str,
        result: StageResult | None,
        hyperparameters: Mapping[str, Any],
        tags: Mapping[str, str],
    ) -> None:
        """Write what the stage made to its run and end it with ``status``.

        A run that succeeded gets the steps that only earlier attempts logged, so that its curves are whole.

        Raises:
            MlflowError: MLflow refused or did not answer.
        """
        try:
            self._write(runs.child, result, hyperparameters, tags)
            if FAILURE_TAG not in tags:
                self._client.delete_tag(runs.child, FAILURE_TAG)
            self._tidy_up(runs, complete=status == "FINISHED")
        finally:
            self._client.set_status(runs.child, status)

    def _tidy_up(self, runs: StageRuns, *, complete: bool) -> None:
        try:
            self._put_below(runs)
            if complete:
                complete_curves(self._client, into=runs.child, earlier=runs.earlier)
        except (MlflowError, MlflowAuthorizationError) as error:
            log.warning("What earlier attempts logged is not shown as it should be: %s", error)

    def close_parent(self, runs: StageRuns) -> None:
        """End the parent from its children's states, unless one of them still runs."""
        states = child_states(self._client, experiment_id=runs.experiment_id, parent=runs.parent)
        if "RUNNING" not in states.values():
            self._client.set_status(runs.parent, parent_status(states.values()))

    def _write(
        self,
        run_id: str,
        result: StageResult | None,
        hyperparameters: Mapping[str, Any],
        tags: Mapping[str, str],
    ) -> None:
        data = self._client.get_run(run_id)["data"]
        metrics = {} if result is None else all_metrics(result.metrics, result.values)
        params, changed = new_params({key: _text(value) for key, value in hyperparameters.items()}, data)
        self._client.log_batch(
            run_id, metrics=new_metrics(metrics, data), steps=next_steps(data), params=params, tags={**changed, **tags}
        )

    def _attempts(self, experiment_id: str) -> list[str]:
        """Return the runs of all attempts at this stage, the newest first."""
        wanted = f"tags.`{KEY_TAG}` = '{self._key('stage')}'"
        found = [run["info"] for run in self._client.search_runs(experiment_id=experiment_id, filter_string=wanted)]
        return [str(info["run_id"]) for info in sorted(found, key=lambda info: -int(info["start_time"]))]

    def _create(self, experiment_id: str, parent: str) -> str:
        tags = self._tags("stage", self._key("stage"), parent)
        return self._client.create_run(experiment_id=experiment_id, name=self._identity.label, tags=tags)

    def _put_below(self, runs: StageRuns) -> None:
        """Show earlier attempts below the stage's run."""
        if not runs.earlier:
            return
        self._client.log_batch(runs.child, tags=self._tags("stage", self._key("stage"), runs.parent))
        self._client.rename_run(runs.child, self._identity.label)
        for number, run_id in enumerate(reversed(runs.earlier), start=1):
            self._client.log_batch(run_id, tags={ROLE_TAG: "attempt", PARENT_TAG: runs.child})
            self._client.rename_run(run_id, f"{self._identity.label} attempt {number}")
            if self._status(run_id) == "RUNNING":
                self._client.set_status(run_id, "KILLED")
            self._kill_nested(runs.experiment_id, run_id)

    def _kill_nested(self, experiment_id: str, run_id: str) -> None:
        """End what code that was killed left open below its run."""
        for nested, state in child_states(self._client, experiment_id=experiment_id, parent=run_id).items():
            if state == "RUNNING":
                self._client.set_status(nested, "KILLED")

    def _reopened(self, run_id: str) -> str:
        """See to it that a run is open, and return its experiment."""
        info = self._client.get_run(run_id)["info"]
        if info["status"] != "RUNNING":
            self._client.set_status(run_id, "RUNNING")
        return str(info["experiment_id"])

    def _claim(self, uri: str, experiment_id: str, *, name: str, role: str, parent: str | None) -> str:
        key = self._key(role)
        tags = self._tags(role, key, parent)

        def find() -> str | None:
            found = self._client.search_runs(experiment_id=experiment_id, filter_string=f"tags.`{KEY_TAG}` = '{key}'")
            return next((run["info"]["run_id"] for run in found), None)

        return claimed_run_id(
            uri,
            owner=self._identity.label,
            find=find,
            create=lambda: self._client.create_run(experiment_id=experiment_id, name=name, tags=tags),
            discard=self._client.delete_run,
        )

    def _key(self, role: str) -> str:
        identity = self._identity
        return (identity.run_uri if role == "pipeline" else identity.stage_uri).replace("'", "%27")

    def _tags(self, role: str, key: str, parent: str | None) -> dict[str, str]:
        identity = self._identity
        tags = {
            KEY_TAG: key,
            ROLE_TAG: role,
            "airflow_ml.pipeline": identity.pipeline,
            "airflow_ml.dag_run": identity.dag_run,
        }
        if role != "pipeline":
            tags |= {"airflow_ml.stage": identity.stage, "airflow_ml.kind": self._kind}
        return tags if parent is None else {**tags, PARENT_TAG: parent}

    def _status(self, run_id: str) -> str:
        return str(self._client.get_run(run_id)["info"]["status"])


def parent_uri(identity: StageIdentity) -> str:
    """Return where the claim of the DagRun's MLflow run lies."""
    return join(identity.run_uri, "_mlflow")


def known_parent(identity: StageIdentity) -> str | None:
    """Return the id of the DagRun's MLflow run, ``None`` when no stage opened it."""
    return published_run_id(parent_uri(identity))


def child_states(client: MlflowClient, *, experiment_id: str, parent: str) -> dict[str, str]:
    """Return the status of each run below a parent by run id."""
    found = client.search_runs(experiment_id=experiment_id, filter_string=f"tags.`{PARENT_TAG}` = '{parent}'")
    return {run["info"]["run_id"]: run["info"]["status"] for run in found}


def parent_status(states: Any) -> str:
    """Return FINISHED when all children are, else FAILED."""
    return "FINISHED" if all(state == "FINISHED" for state in states) else "FAILED"


def new_metrics(metrics: Mapping[str, float], data: Mapping[str, Any]) -> dict[str, float]:
    """Return the metrics that a run does not show yet, so that nothing is logged twice."""
    shown = {entry["key"]: _as_kept(float(entry["value"])) for entry in data.get("metrics", [])}
    return {key: value for key, value in metrics.items() if shown.get(key) != _as_kept(float(value))}


def _as_kept(value: float) -> float | str:
    """Return a metric as MLflow shows it: its database keeps infinity as the largest number, and NaN as itself."""
    if math.isnan(value):
        return mark(value)
    return max(-sys.float_info.max, min(sys.float_info.max, value))


def next_steps(data: Mapping[str, Any]) -> dict[str, int]:
    """Return the step after the last one of each metric that a run shows; MLflow shows the value of the last."""
    return {entry["key"]: int(entry.get("step", 0)) + 1 for entry in data.get("metrics", [])}


def new_params(params: Mapping[str, str], data: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, str]]:
    """Return the params that a run lacks, and tags for those that it holds with another value.

    MLflow refuses to change a param, so one that the code logged with another value is kept as a tag.
    """
    shown = {entry["key"]: entry["value"] for entry in data.get("params", [])}
    fresh = {key: value for key, value in params.items() if key not in shown}
    changed = {
        f"airflow_ml.changed_param.{key}": value
        for key, value in params.items()
        if key in shown and shown[key] != value
    }
    return fresh, changed


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)
