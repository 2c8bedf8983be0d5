"""Batch predict: one version of a model over a dataset, in pieces that workers share; every row is accounted for.

A worker writes what it predicted below the attempt, where the output will be, and then a report. This process waits for
all reports, counts, and commits: what workers wrote becomes an artifact in one step, or never.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

from airflow_ml_provider.artifacts.digest import FileEntry, hash_file
from airflow_ml_provider.artifacts.layout import join
from airflow_ml_provider.artifacts.store import ArtifactStore
from airflow_ml_provider.protocol.artifact import ArtifactRef
from airflow_ml_provider.runtime.body import BodyContext, BodyOutcome
from airflow_ml_provider.runtime.errors import BadDataError, ContractError, StageError, TrackingError, UserCodeError
from airflow_ml_provider.runtime.patience import patiently
from airflow_ml_provider.runtime.stages.batch_predict.pieces import PREDICTIONS, REJECTED, Piece, Progress, pieces_of
from airflow_ml_provider.runtime.stages.batch_predict.worker import predict_pieces, upload, worker_variables
from airflow_ml_provider.runtime.stages.local_workers import LocalWorkers, is_local

_LOOK_SECONDS = 1.0
_SILENT_SECONDS = 60.0
_STARTS = 5
"""After how many starts of a worker whose pieces are still not done the stage is given up."""
_REASONS = 10
_ERRORS = {"bad_data": BadDataError, "contract": ContractError, "tracking": TrackingError}


def run(context: BodyContext) -> BodyOutcome:
    """Predict, or wait for those who do, and commit.

    Raises:
        ContractError: Model and data do not fit each other.
        BadDataError: A file cannot be read.
        TrackingError: The model could not be fetched.
        UserCodeError: The model raised, workers were lost again and again, or rows are missing.
    """
    request, workers = context.request, int(context.request.options["workers"])
    pieces = pieces_of(ArtifactStore().entries(request.inputs["data"]), workers=workers)
    progress = Progress(request.attempt_uri)
    with ExitStack() as stack:
        local: LocalWorkers | None = None
        if workers == 1:
            predict_pieces(request, pieces, folder=context.outputs[PREDICTIONS].parent)
        elif is_local():
            local = stack.enter_context(LocalWorkers(request, workers, variables=worker_variables))
        _wait(pieces, progress, local, workers=workers)
    reports = [progress.report(piece) for piece in pieces]
    _require_all_rows(pieces, reports)
    return _committed(context, reports)


def _wait(pieces: list[Piece], progress: Progress, local: LocalWorkers | None, *, workers: int) -> None:
    reported, since = -1, time.monotonic()
    while True:
        if (failure := progress.failure()) is not None:
            raise _error(failure)
        done, started = progress.look()
        if len(done) != reported:
            reported, since = len(done), time.monotonic()
            print(f"{reported} of {len(pieces)} pieces are done", flush=True)
        if reported == len(pieces):
            return
        if time.monotonic() - since > _SILENT_SECONDS:
            since = time.monotonic()
            print(
                f"{reported} of {len(pieces)} pieces are done, and {len(started)} of {workers} workers have begun so "
                f"far: look at the pods with the label airflow-ml/worker of this stage where that is slow",
                flush=True,
            )
        for index in range(workers):
            left = [piece for piece in pieces[index::workers] if piece.number not in done]
            if left and started.get(index, 0) > _STARTS:
                raise UserCodeError(
                    f"batch_predict: worker {index} was started {started[index]} times and {len(left)} of its pieces "
                    f"are not done: it was killed, most likely for its memory (raise resources.memory, or lower "
                    f"batch_rows), or its node went away each time",
                    type="WorkersLost",
                )
        if local is not None and (lost := local.look(lambda name, why: print(f"worker {name}: {why}", flush=True))):
            raise lost
        time.sleep(_LOOK_SECONDS)


def _error(failure: dict[str, Any]) -> StageError:
    if failure["category"] in _ERRORS:
        return _ERRORS[failure["category"]](failure["message"])
    return UserCodeError(failure["message"], type=failure["type"], traceback=failure["traceback"])


def _require_all_rows(pieces: list[Piece], reports: list[dict[str, Any]]) -> None:
    """Raise when rows of a file were predicted by nobody, or twice."""
    for path in {piece.path for piece in pieces}:
        own = [report for piece, report in zip(pieces, reports, strict=True) if piece.path == path]
        had, seen = own[0]["rows_of_file"], sum(report["predicted"] + report["rejected"] for report in own)
        if had != seen:
            raise UserCodeError(
                f"batch_predict: {path or 'data'} has {had} rows, and {seen} came out: nothing is committed; this is a "
                f"fault of airflow-ml-provider, please report it",
                type="RowsLost",
            )


def _committed(context: BodyContext, reports: list[dict[str, Any]]) -> BodyOutcome:
    request = context.request
    rejected = sum(report["rejected"] for report in reports)
    predicted = sum(report["predicted"] for report in reports)
    # A file without rows is of use only where there is no other.
    full = [report["predictions"] for report in reports if report["predicted"]]
    with_rejects = [report["rejected_rows"] for report in reports if report["rejected_rows"]]
    outputs = {
        PREDICTIONS: _commit(context, PREDICTIONS, full or [reports[0]["predictions"]]),
        REJECTED: _commit(context, REJECTED, with_rejects or [_nothing(context)]),
    }
    model, kinds = request.options["model"], Counter[str]()
    for report in reports:
        kinds.update(report["reasons"])
    print(f"{model['name']} version {model['version']}: {predicted} rows predicted, {rejected} rejected", flush=True)
    return BodyOutcome(
        metrics={
            "rows": float(predicted + rejected),
            "predicted": float(predicted),
            "rejected": float(rejected),
            "rejected_share": rejected / max(1, predicted + rejected),
            "files": float(len(full)),
        },
        values={"model": dict(model), "reasons": dict(kinds.most_common(_REASONS))},
        passed_through=outputs,
    )


def _commit(context: BodyContext, output: str, entries: list[Mapping[str, Any]]) -> ArtifactRef:
    request = context.request
    files = sorted((FileEntry(**entry) for entry in entries), key=lambda entry: entry.path)
    kind = request.outputs[output]
    return patiently(
        lambda: ArtifactStore().commit(files, directory=request.attempt_uri, output=output, artifact_type=kind),
        what=f"Committing output {output!r}",
    )


def _nothing(context: BodyContext) -> dict[str, Any]:
    """Write a file without rows."""
    path = context.outputs[REJECTED].parent / "none.jsonl"
    path.touch()
    patiently(lambda: upload(path, join(context.request.attempt_uri, REJECTED, path.name)), what="Writing an output")
    return {"path": path.name, "size": 0, "sha256": hash_file(path)}
