"""Validate: run a Great Expectations suite over a dataset."""

from __future__ import annotations

import json
import logging
import os
import warnings
from typing import Any

from airflow_ml_provider.protocol.artifact import ArtifactRef
from airflow_ml_provider.runtime.body import BodyContext, BodyOutcome
from airflow_ml_provider.runtime.errors import BadDataError, ContractError
from airflow_ml_provider.runtime.stages.dataset.reading import read_dataset

SHOWN_FAILURES = 20


def run(context: BodyContext) -> BodyOutcome:
    """Validate the one input; whether a failed suite fails the task is decided by the operator.

    The input leaves unchanged as an output of the same name; the full result of Great Expectations is the
    output ``report``.

    Raises:
        BadDataError: The data cannot be read or has no rows.
        ContractError: The suite is not one that Great Expectations understands.
    """
    ((name, path),) = context.inputs.items()
    suite = _load_suite(context)
    frame = read_dataset(path, name=name).inferred()
    result = _validate(frame, suite)
    context.outputs["report"].write_text(json.dumps(result, indent=2, default=str), encoding="utf-8")
    summary = summarise(result, suite_name=suite.name)
    for line in describe(summary):
        print(line, flush=True)
    return BodyOutcome(
        metrics={
            "rows": float(len(frame)),
            "expectations": float(summary["evaluated"]),
            "expectations_met": float(summary["met"]),
        },
        values={"validation": summary},
        passed_through={name: context.request.inputs[name]},
    )


def summarise(result: dict[str, Any], *, suite_name: str) -> dict[str, Any]:
    """Return the part of a Great Expectations result that fits an XCom."""
    failed = [entry for entry in result["results"] if not entry["success"]]
    return {
        "suite": suite_name,
        "success": bool(result["success"]),
        "evaluated": len(result["results"]),
        "met": len(result["results"]) - len(failed),
        "failed": [_failure(entry) for entry in failed[:SHOWN_FAILURES]],
    }


def describe(summary: dict[str, Any]) -> list[str]:
    """Return the lines that a person reads in the task's log."""
    lines = [f"Suite {summary['suite']}: {summary['met']} of {summary['evaluated']} expectations met"]
    for failure in summary["failed"]:
        column = f" on {failure['column']}" if failure["column"] else ""
        share = failure["unexpected_percent"]
        detail = f": {share:.3g} % unexpected" if share is not None else ""
        if failure["error"]:
            detail = f": {failure['error']}"
        lines.append(f"  not met: {failure['expectation']}{column}{detail}")
    return lines


def _failure(entry: dict[str, Any]) -> dict[str, Any]:
    config = entry["expectation_config"]
    message = _raised(entry.get("exception_info") or {})
    return {
        "expectation": config["type"],
        "column": config["kwargs"].get("column"),
        "unexpected_percent": entry["result"].get("unexpected_percent"),
        "observed": str(entry["result"].get("observed_value"))[:200],
        "error": str(message)[:200] if message else None,
    }


def _raised(information: dict[str, Any]) -> str | None:
    """Find the message of an exception; Great Expectations keeps it by metric, or flat."""
    if information.get("raised_exception"):
        return str(information.get("exception_message"))
    nested = (_raised(value) for value in information.values() if isinstance(value, dict))
    return next((message for message in nested if message), None)


def _load_suite(context: BodyContext) -> Any:
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    import great_expectations as gx
    from great_expectations.exceptions import GreatExpectationsError
    from great_expectations.expectations.registry import get_expectation_impl

    content = context.store.fetch_content(ArtifactRef.from_plain(context.request.options["suite"]))
    shown = context.request.options["suite_name"]
    logging.getLogger("great_expectations").setLevel(logging.ERROR)
    try:
        written = json.loads(content)
        # Great Expectations leaves out what it does not know, and an empty suite is always met.
        for expectation in written["expectations"]:
            get_expectation_impl(expectation["type"])
        return gx.ExpectationSuite(**written)
    except (ValueError, TypeError, KeyError, GreatExpectationsError) as error:
        raise ContractError(
            f"suite {shown} is not one that Great Expectations {gx.__version__} understands: {error}"
        ) from error


def _validate(frame: Any, suite: Any) -> dict[str, Any]:
    import great_expectations as gx
    from great_expectations.exceptions import GreatExpectationsError

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data = gx.get_context(mode="ephemeral")
        data.variables.progress_bars = {"globally": False}
        asset = data.data_sources.add_pandas("pandas").add_dataframe_asset("data")
        batch = asset.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": frame})
        try:
            result: dict[str, Any] = batch.validate(suite).to_json_dict()
        except GreatExpectationsError as error:
            raise BadDataError(f"the suite {suite.name!r} could not be evaluated on the data: {error}") from error
    return result
