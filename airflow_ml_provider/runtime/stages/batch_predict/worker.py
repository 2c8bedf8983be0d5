"""A worker: fetches the model once, then the files of its pieces, one after the other."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import uuid
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
from airflow_ml_provider.runtime.errors import ContractError, StageError, UserCodeError
from airflow_ml_provider.runtime.function import user_code_error
from airflow_ml_provider.runtime.patience import patiently
from airflow_ml_provider.runtime.stages.batch_predict.pieces import PREDICTIONS, REJECTED, Piece, Progress, pieces_of
from airflow_ml_provider.runtime.stages.dataset.reading import read_dataset
from airflow_ml_provider.runtime.stages.dataset.writing import json_lines
from airflow_ml_provider.runtime.stages.registered import fetch_version
from airflow_ml_provider.runtime.workspace import Workspace

if TYPE_CHECKING:
    from pandas import DataFrame


def worker_variables(index: int) -> Mapping[str, str]:
    """Return what makes a process the worker of an index; Kubernetes sets the index of a Job's pod itself."""
    return {STEP_VARIABLE: BATCH_WORKER, INDEX_VARIABLE: str(index)}


def work(request: StageRequest) -> int:
    """Predict every piece of this worker's; returns the exit code: 0 also when it said why it cannot go on."""
    index, workers = int(os.environ[INDEX_VARIABLE]), int(request.options["workers"])
    before = Path.cwd()
    progress = Progress(request.attempt_uri)
    with tempfile.TemporaryDirectory(prefix="airflow-ml-worker-") as root:
        try:
            progress.start(index)
            workspace = Workspace(Path(root), request)
            workspace.fetch(ArtifactStore())
            workspace.enter()
            pieces = pieces_of(ArtifactStore().entries(request.inputs["data"]), workers=workers)
            predict_pieces(request, pieces[index::workers], folder=Path(root))
        except StageError as error:
            own = {"type": error.type, "traceback": error.traceback} if isinstance(error, UserCodeError) else {}
            failure = {"type": type(error).__name__, "traceback": "", **own}
            progress.fail({"category": error.category, "message": str(error), **failure})
            print(error, file=sys.stderr, flush=True)
        except StoreError as error:
            print(error, file=sys.stderr, flush=True)
            return EXIT_CODES["store"]
        except Exception as error:  # noqa: BLE001 - nobody else sees what a worker died of
            reported = user_code_error(error, during="predicting")
            failure = {"type": reported.type, "traceback": reported.traceback}
            progress.fail({"category": reported.category, "message": str(reported), **failure})
            print(reported, file=sys.stderr, flush=True)
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
            with tempfile.TemporaryDirectory(prefix="piece-", dir=folder) as place:
                progress.end(piece, _predicted(request, piece, predictor, Path(place)))
            print(f"piece {piece.number} is done", flush=True)


def _predicted(request: StageRequest, piece: Piece, predictor: Any, folder: Path) -> dict[str, Any]:
    data = folder / "data"
    fetch = partial(ArtifactStore().fetch, request.inputs["data"], data, only=piece.path)
    patiently(fetch, what="Fetching a file")
    dataset = read_dataset(data, name="data", only=piece.path, may_be_empty=True)
    first, last = piece.rows(len(dataset))
    predicted, rejected, reasons = predictor.predict(dataset.rows(first, last), file=piece.path, first=first)
    report: dict[str, Any] = {
        "rows_of_file": len(dataset),
        "predicted": len(predicted),
        "rejected": last - first - len(predicted),
        "rejected_rows": None,
        "reasons": reasons,
    }
    # A worker that was taken for lost may still write: never to the same place.
    name = f"part-{piece.number:05}-{uuid.uuid4().hex[:8]}"
    path = folder / f"{name}.{request.options['format']}"
    _write(predicted, path, request.options["format"])
    report["predictions"] = _kept(path, join(request.attempt_uri, PREDICTIONS, path.name))
    if rejected:
        lines = folder / f"{name}.rejected.jsonl"
        lines.write_text("".join(f"{json.dumps(row)}\n" for row in rejected), encoding="utf-8")
        report["rejected_rows"] = _kept(lines, join(request.attempt_uri, REJECTED, lines.name))
    return report


def _kept(path: Path, uri: str) -> dict[str, Any]:
    patiently(partial(upload, path, uri), what="Writing what came of a piece")
    return {"path": path.name, "size": path.stat().st_size, "sha256": hash_file(path)}


def _write(table: DataFrame, path: Path, name: str) -> None:
    try:
        if name == "parquet":
            table.to_parquet(path, index=False)
        elif name == "csv":
            table.to_csv(path, index=False)
        else:
            with path.open("w", encoding="utf-8") as lines:
                lines.writelines(f"{line}\n" for line in json_lines(table))
    except (ValueError, TypeError) as error:
        raise ContractError(
            f"batch_predict: the rows cannot be written as {name}: {error}; say format: jsonl"
        ) from error


def upload(path: Path, uri: str) -> None:
    """Bring a file to where it is to lie in the store.

    Raises:
        StoreUnavailableError: The store did not answer.
    """
    fs, target = filesystem(uri)
    with store_errors("write", uri):
        upload_file(fs, path, target)
