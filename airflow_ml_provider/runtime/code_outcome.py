"""What the user's code measured, and the params that it took by default."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from airflow_ml_provider.protocol.metrics import DEFAULT_PARAMS, STRICT
from airflow_ml_provider.protocol.request import StageRequest
from airflow_ml_provider.runtime.binding import bind, default_params
from airflow_ml_provider.runtime.body import BodyOutcome
from airflow_ml_provider.runtime.command import read_result_file
from airflow_ml_provider.runtime.function import call
from airflow_ml_provider.runtime.metrics import Metrics, as_metrics


def call_function(
    request: StageRequest, function: Callable[..., Any], *, inputs: Mapping[str, Path], outputs: Mapping[str, Path]
) -> BodyOutcome:
    """Call the user's function.

    Args:
        request: The stage.
        function: Its function.
        inputs: Local paths by input name.
        outputs: Local paths by output name.

    Raises:
        ContractError: Its arguments are others, or a metric cannot be kept and the stage is strict about that.
        UserCodeError: It raised.
    """
    name = str(request.run)
    arguments = bind(function, inputs=inputs, outputs=outputs, params=request.params, name=name)
    found = as_metrics(call(function, arguments, name=name), source=name, strict=is_strict(request))
    return _outcome(found, default_params(function, arguments))


def command_outcome(request: StageRequest, result: Path) -> BodyOutcome:
    """Return what a command left in its result file.

    Raises:
        ContractError: The file is not what the contract says, or a metric cannot be kept and the stage is strict.
    """
    return _outcome(*read_result_file(result, strict=is_strict(request)))


def is_strict(request: StageRequest) -> bool:
    """Whether the stage fails where a metric cannot be kept."""
    return bool(request.options.get(STRICT))


def _outcome(found: Metrics, defaults: Mapping[str, Any]) -> BodyOutcome:
    return BodyOutcome(found.kept, {**found.values, **({DEFAULT_PARAMS: dict(defaults)} if defaults else {})})
