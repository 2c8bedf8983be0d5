"""A worker: fetches the model once, then the files of its pieces, one after the other."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.artifacts.digest import hash_file
from airflow_ml_provider.artifacts.errors import StoreError
from airflow_ml_provider.artifacts.layout import join
from airflow_ml_provider.artifacts.objects import filesystem, store_errors, upload_file
from airflow_ml_provider.artifacts.store import ArtifactStore
from airflow_ml_provider.protocol.batch import BATCH_WORKER, INDEX_VARIABLE
from airflow_ml_provider.protocol.request import StageRequest
from airflow_ml_provider.protocol.result import EXIT_CODES
from airflow_ml_provider.protocol.staged import STEP_VARIABLE
from airflow_ml_provider.runtime.errors import StageError, UserCodeError
from airflow_ml_provider.runtime.patience import patiently
from airflow_ml_provider.runtime.stages.batch_predict.pieces import PREDICTIONS, Piece, Progress, pieces_of
from airflow_ml_provider.runtime.stages.frames import read_frame
from airflow_ml_provider.runtime.stages.registered import fetch_version
from airflow_ml_provider.runtime.workspace import Workspace

if TYPE_CHECKING:
    from pandas import DataFrame

_SUFFIXES = {"parquet": "parquet", "csv": "csv", "jsonl": "jsonl"}


def worker_variables(index: int) -> Mapping[str, str]:
    """Return what makes a process the worker of an index; Kubernetes sets the index of a Job's pod itself."""
    return {STEP_VARIABLE: BATCH_WORKER, INDEX_VARIABLE: str(index)}


def work(request: StageRequest) -> int:
    """Predict every piece of this worker's; returns the exit code: 0 also when it said why it cannot go on."""
    index, workers = int(os.environ[INDEX_VARIABLE]), int(request.options["workers"])
    before = Path.cwd()
    with tempfile.TemporaryDirectory(prefix="airflow-ml-worker-") as root:
        try:
            workspace = Workspace(Path(root), request)
            workspace.fetch(ArtifactStore())
            workspace.enter()
            pieces = pieces_of(ArtifactStore().entries(request.inputs["data"]), workers=workers)
            predict_pieces(request, pieces[index::workers], folder=Path(root))
        except StageError as error:
            own = {"type": error.type, "traceback": error.traceback} if isinstance(error, UserCodeError) else {}
            failure = {"type": type(error).__name__, "traceback": "", **own}
            Progress(request.attempt_uri).fail({"category": error.category, "message": str(error), **failure})
            print(error, file=sys.stderr, flush=True)
        except StoreError as error:
            print(error, file=sys.stderr, flush=True)
            return EXIT_CODES["store"]
        finally:
            os.chdir(before)
    return 0


def predict_pieces(request: StageRequest, pieces: Sequence[Piece], *, folder: Path) -> None:
    """Predict pieces that are not done yet.

    Raises:
        StageError: Model and data do not fit, a file cannot be read, or the model failed.
        StoreError: The store did not answer.
    """
    from airflow_ml_provider.runtime.stages.batch_predict.predicting import Predictor

    progress = Progress(request.attempt_uri)
    done, _ = progress.look()
    left = [piece for piece in pieces if piece.number not in done]
    if not left:
        return
    assert request.tracking is not None
    known, options = request.options["model"], request.options
    with tempfile.TemporaryDirectory(prefix="model-", dir=folder) as models:
        found = fetch_version(request.tracking.uri, known["name"], known["version"], into=Path(models))
        predictor = Predictor(found, options)
        for piece in left:
            progress.begin(piece)
            with tempfile.TemporaryDirectory(prefix="piece-", dir=folder) as place:
                progress.end(piece, _predicted(request, piece, predictor, Path(place)))
            print(f"piece {piece.number} is done", flush=True)


def _predicted(request: StageRequest, piece: Piece, predictor: Any, folder: Path) -> dict[str, Any]:
    data = folder / "data"
    fetch = partial(ArtifactStore().fetch, request.inputs["data"], data, only=piece.path)
    patiently(fetch, what="Fetching a file")
    table = read_frame(data / piece.path if piece.path else data, name=f"data/{piece.path}".rstrip("/"))
    first, last = piece.rows(len(table))
    predicted, rejected = predictor.predict(table.iloc[first:last], file=piece.path, first=first)
    report: dict[str, Any] = {
        "rows_of_file": len(table),
        "predicted": len(predicted),
        "rejected": last - first - len(predicted),
        "rejected_rows": rejected,
        "files": [],
    }
    if len(predicted):
        name = f"part-{piece.number:05}.{_SUFFIXES[request.options['format']]}"
        path = folder / name
        _write(predicted, path, request.options["format"])
        uri = join(request.attempt_uri, PREDICTIONS, name)
        patiently(partial(_upload, path, uri), what="Writing predictions")
        report["files"].append({"path": name, "size": path.stat().st_size, "sha256": hash_file(path)})
    return report


def _write(table: DataFrame, path: Path, name: str) -> None:
    from airflow_ml_provider.runtime.errors import ContractError

    try:
        if name == "parquet":
            table.to_parquet(path, index=False)
        elif name == "csv":
            table.to_csv(path, index=False)
        else:
            table.to_json(path, orient="records", lines=True, date_format="iso")
    except (ValueError, TypeError) as error:
        raise ContractError(
            f"batch_predict: the rows cannot be written as {name}: {error}; say format: jsonl"
        ) from error


def _upload(path: Path, uri: str) -> None:
    fs, target = filesystem(uri)
    with store_errors("write", uri):
        upload_file(fs, path, target)
