"""Environment variables between Airflow and a stage's process."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_ml_provider.protocol.request import Tracking

REQUEST_VARIABLE = "AIRFLOW_ML_REQUEST"
"""Carries the request's JSON into the stage."""

RUNTIME_VARIABLE = "AIRFLOW_ML_RUNTIME"
"""Carries the runtime's source into a pod, packed; the bootstrap unpacks it."""

TERMINATION_VARIABLE = "AIRFLOW_ML_TERMINATION_LOG"
"""Names the file whose content becomes the container's termination message."""

WITHHELD = ("AIRFLOW__", "AIRFLOW_CONN_", "AIRFLOW_VAR_", "_AIRFLOW_")
"""How the names of variables begin that are Airflow's own (database, Fernet key, connections) and nobody else's."""

LIFELINE_VARIABLE = "AIRFLOW_ML_LIFELINE"
"""Names a file descriptor: the read end of a pipe whose write end only the worker holds."""

ISOLATED_VARIABLE = "AIRFLOW_ML_ISOLATED"
"""Says that this process is not to see into others of its user."""


def command_variables(
    *, inputs: Mapping[str, str], outputs: Mapping[str, str], params: Mapping[str, Any], result: str
) -> dict[str, str]:
    """Return what a command in any language reads: paths by name, params as JSON, where its result goes."""
    return {
        **{f"AIRFLOW_ML_INPUT_{name.upper()}": path for name, path in inputs.items()},
        **{f"AIRFLOW_ML_OUTPUT_{name.upper()}": path for name, path in outputs.items()},
        "AIRFLOW_ML_PARAMS": json.dumps(params, sort_keys=True),
        "AIRFLOW_ML_RESULT": result,
    }


def tracking_variables(tracking: Tracking | None) -> dict[str, str]:
    """Return what lets ``import mlflow`` in user code log to the run of this attempt."""
    if tracking is None:
        return {}
    return {
        "MLFLOW_TRACKING_URI": tracking.uri,
        "MLFLOW_EXPERIMENT_ID": tracking.experiment_id,
        "MLFLOW_RUN_ID": tracking.run_id,
    }
