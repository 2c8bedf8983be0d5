"""What a task instance of a stage said of itself, of its XComs."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from airflow_ml_provider.plugin.run_answers import (
    FailureAnswer,
    LinkAnswer,
    OutputAnswer,
    ReuseAnswer,
    VerdictAnswer,
)
from airflow_ml_provider.plugin.stage_facts import Fact, address_of, mapping_of, text_of, texts_of
from airflow_ml_provider.protocol.artifact import ArtifactRef
from airflow_ml_provider.protocol.errors import ProtocolError

_METRICS = 200
_LINKS = {"mlflow_run_url": "MLflow run", "model_version_url": "Model version", "endpoint_url": "Endpoint"}
_CLAIM = "partition", "objects", "bytes", "oldest", "newest", "more", "unsettled", "busy"
_MLFLOW_RUN = re.compile(r"/runs/([0-9a-f]{32})(?:[/?]|$)")


def details_of(facts: Iterable[Fact]) -> dict[str, Any]:
    """Return the fields of an :class:`InstanceAnswer` that XComs say.

    Args:
        facts: Those of one task instance.
    """
    values = {fact.key: fact.value for fact in facts}
    return {
        "reuse": _reuse(values.get("cache")),
        "failure": _failure(values.get("failure")),
        "metrics": {**_numbers(values.get("metrics")), **_undefined(values.get("undefined_metrics"))},
        "verdicts": _verdicts(values),
        "said": _said(values),
        "outputs": [found for key, value in values.items() if (found := _output(key, value))],
        "links": [
            LinkAnswer(name=name, url=url) for key, name in _LINKS.items() if (url := address_of(values.get(key)))
        ],
        "has_curves": bool(mlflow_run_of(values.get("mlflow_run_url"))),
    }


def mlflow_run_of(url: Any) -> str:
    """Return the id of the MLflow run that an address is of, empty where it is of none."""
    found = _MLFLOW_RUN.search(url) if isinstance(url, str) and len(url) <= 2000 else None
    return found[1] if found else ""


def _reuse(value: Any) -> ReuseAnswer | None:
    reuse = mapping_of(value)
    if not isinstance(reuse.get("reused"), bool):
        return None
    return ReuseAnswer(reused=reuse["reused"], reason=text_of(reuse.get("reason"), 300))


def _failure(value: Any) -> FailureAnswer | None:
    failure = mapping_of(value)
    error, message = text_of(failure.get("class")), text_of(failure.get("message"), 300)
    return FailureAnswer(error=error, message=message) if error or message else None


def _numbers(value: Any) -> dict[str, float]:
    numbers = {
        text_of(name): float(number)
        for name, number in mapping_of(value).items()
        if isinstance(number, int | float) and not isinstance(number, bool) and abs(number) <= sys.float_info.max
    }
    return dict(list(numbers.items())[:_METRICS])


def _undefined(value: Any) -> dict[str, float | str]:
    """Return metrics that are not finite numbers, as texts."""
    marks = {text_of(name): text_of(mark, 20) for name, mark in mapping_of(value).items()}
    return {name: mark for name, mark in list(marks.items())[:_METRICS] if mark}


def _verdicts(values: Mapping[str, Any]) -> list[VerdictAnswer]:
    found = []
    gate = mapping_of(values.get("gate"))
    if isinstance(gate.get("passed"), bool):
        found.append(VerdictAnswer(name="gate", passed=gate["passed"], reasons=texts_of(gate.get("reasons"))))
    checks = mapping_of(values.get("validation"))
    if isinstance(checks.get("success"), bool):
        found.append(VerdictAnswer(name="checks", passed=checks["success"], reasons=_expectations(checks)))
    alarm = mapping_of(values.get("alarm"))
    if isinstance(alarm.get("raised"), bool):
        found.append(VerdictAnswer(name="limits", passed=not alarm["raised"], reasons=texts_of(alarm.get("reasons"))))
    return found


def _expectations(checks: Mapping[str, Any]) -> list[str]:
    failed = checks.get("failed")
    entries = [mapping_of(entry) for entry in (failed[:20] if isinstance(failed, list) else [])]
    named = [(text_of(entry.get("expectation")), text_of(entry.get("column"))) for entry in entries]
    shown = [f"not met: {name}{column and f' on {column}'}" for name, column in named if name]
    met, evaluated = text_of(checks.get("met")), text_of(checks.get("evaluated"))
    return [f"{met} of {evaluated} expectations met", *shown] if evaluated else shown


def _said(values: Mapping[str, Any]) -> dict[str, str]:
    """Return what a reader of a run wants to know of models, endpoints, approvals and sources, in words."""
    said = {}
    model = mapping_of(values.get("model"))
    if (name := text_of(model.get("name"))) and (version := text_of(model.get("version"))):
        alias = text_of(model.get("alias"))
        said["Model"] = f"{name} version {version}{alias and f', {alias}'}"
    endpoint = mapping_of(values.get("endpoint"))
    if name := text_of(endpoint.get("model")):
        said["Serves"] = f"{name} version {text_of(endpoint.get('version'))}"
    approval = mapping_of(values.get("approval"))
    if answer := text_of(approval.get("approval")):
        reason = text_of(approval.get("approval_reason"))
        said["Approval"] = f"{answer} by {text_of(approval.get('approval_by'))}{reason and f': {reason}'}"
    claim = mapping_of(values.get("claim"))
    given = [f"{name} {text}" for name in _CLAIM if (text := text_of(claim.get(name)))]
    if given:
        said["Data"] = ", ".join(given)
    if drifted := texts_of(mapping_of(values.get("drift")).get("drifted")):
        said["Drifted"] = ", ".join(drifted)
    pod = [text_of(values.get(key)) for key in ("pod_namespace", "pod_name")]
    if all(pod):
        said["Pod"] = "/".join(pod)
    return said | _canary(values.get("canary"))


def _canary(steps: Any) -> dict[str, str]:
    """Return what the last steps of a canary measured, in words."""
    said = {}
    for step in steps[-5:] if isinstance(steps, list) else []:
        observed = _numbers(step)
        percent = observed.pop("percent", "")
        shown = ", ".join(f"{name} {number:.4g}" for name, number in observed.items())
        if shown:
            said[f"Canary at {percent:g} %" if percent != "" else "Canary"] = shown
    return said


def _output(key: str, value: Any) -> OutputAnswer | None:
    if not isinstance(value, Mapping) or "digest" not in value:
        return None
    try:
        ref = ArtifactRef.from_plain(value)
    except ProtocolError:
        return None
    return OutputAnswer(
        name=text_of(key), type=ref.type, uri=text_of(ref.uri, 1000), digest=ref.digest, size=min(ref.size, 2**53)
    )
