"""Batch predict: one version of a model over a dataset, in pieces that workers share; every row is accounted for.

A worker writes what it predicted below the attempt, where the output will be, and then a report. This process waits for
all reports, counts, and commits: what workers wrote becomes an artifact in one step, or never.
"""

from __future__ import annotations

import json
import time
from contextlib import ExitStack
from typing import Any

from airflow_ml_provider.artifacts.digest import FileEntry
from airflow_ml_provider.artifacts.store import ArtifactStore
from airflow_ml_provider.runtime.errors import BadDataError, ContractError, StageError, TrackingError, UserCodeError
from airflow_ml_provider.runtime.patience import patiently
from airflow_ml_provider.runtime.stages import BodyContext, BodyOutcome
from airflow_ml_provider.runtime.stages.batch_predict.pieces import PREDICTIONS, REJECTED, Piece, Progress, pieces_of
from airflow_ml_provider.runtime.stages.batch_predict.worker import predict_pieces, worker_variables
from airflow_ml_provider.runtime.stages.local_workers import LocalWorkers, is_local

_LOOK_SECONDS = 1.0
_BEGINNINGS = 4
"""After how many beginnings without an end a piece is given up."""
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
        _wait(pieces, progress, local)
    reports = [progress.report(piece) for piece in pieces]
    _require_all_rows(pieces, reports)
    return _committed(context, reports)


def _wait(pieces: list[Piece], progress: Progress, local: LocalWorkers | None) -> None:
    told = -1
    while True:
        if (failure := progress.failure()) is not None:
            raise _error(failure)
        done, begun = progress.look()
        if len(done) != told:
            told = len(done)
            print(f"{told} of {len(pieces)} pieces are done", flush=True)
        if told == len(pieces):
            return
        for piece in pieces:
            if piece.number not in done and begun.get(piece.number, 0) >= _BEGINNINGS:
                raise UserCodeError(
                    f"batch_predict: piece {piece.number} ({piece.path or 'data'}) was begun {_BEGINNINGS} times and "
                    f"never ended: its worker was killed, most likely for its memory: raise resources.memory, or lower "
                    f"batch_rows",
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
    request, store = context.request, ArtifactStore()
    written = [FileEntry(**entry) for report in reports for entry in report["files"]]
    predictions = patiently(
        lambda: store.commit(
            written, directory=request.attempt_uri, output=PREDICTIONS, artifact_type=request.outputs[PREDICTIONS]
        ),
        what="Committing the predictions",
    )
    lines = [json.dumps(row) for report in reports for row in report["rejected_rows"]]
    context.outputs[REJECTED].write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    rejected = sum(report["rejected"] for report in reports)
    predicted = sum(report["predicted"] for report in reports)
    model = request.options["model"]
    shown = f"{model['name']} version {model['version']}"
    print(f"{shown}: {predicted} rows predicted, {rejected} rejected", flush=True)
    return BodyOutcome(
        metrics={
            "rows": float(predicted + rejected),
            "predicted": float(predicted),
            "rejected": float(rejected),
            "rejected_share": rejected / max(1, predicted + rejected),
            "files": float(len(written)),
        },
        values={"reasons": sorted({row["reason"] for report in reports for row in report["rejected_rows"]})[:10]},
        passed_through={PREDICTIONS: predictions},
    )
