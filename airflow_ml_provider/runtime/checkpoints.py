"""A folder that outlives its attempt: brought to the store now and then, and by the next attempt back from it."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from airflow_ml_provider.artifacts.checkpoints import checkpoint_name, checkpoints_uri
from airflow_ml_provider.artifacts.errors import StoreError
from airflow_ml_provider.artifacts.layout import join
from airflow_ml_provider.artifacts.store import ArtifactStore
from airflow_ml_provider.protocol.request import StageRequest
from airflow_ml_provider.runtime.first_process import SIGTERM_EXIT_CODE
from airflow_ml_provider.runtime.patience import patiently

KEPT = 2
"""Checkpoints of an attempt that are kept: the last one may be about to be read while a newer one is written."""


@contextmanager
def kept_checkpoints(request: StageRequest, folder: Path) -> Iterator[None]:
    """Bring the folder back as it was, keep it while the block runs, and once more when the process is told to end.

    After a block that went well its checkpoints are removed: the work is done.

    Args:
        request: The attempt; without checkpoints nothing happens.
        folder: The folder, which is made.
    """
    if request.checkpoints is None:
        yield
        return
    _restore(request, folder)
    keeper = _Keeper(folder, directory=checkpoints_uri(request.attempt_uri), every=request.checkpoints.every)
    before = signal.signal(signal.SIGTERM, lambda _number, _frame: keeper.save_and_leave())
    keeper.start()
    try:
        yield
    except BaseException:
        keeper.end()
        keeper.save()
        raise
    else:
        keeper.end()
        keeper.forget(keep=0)
    finally:
        signal.signal(signal.SIGTERM, before)


def _restore(request: StageRequest, folder: Path) -> None:
    assert request.checkpoints is not None
    resume = request.checkpoints.resume
    if resume is not None:
        try:
            patiently(lambda: ArtifactStore().fetch(resume, folder), what="Fetching the checkpoint")
        except StoreError as error:
            print(f"The checkpoint cannot be used, the work begins anew: {error}", flush=True)
        else:
            print(f"Resumed from checkpoint {resume.uri}", flush=True)
    folder.mkdir(exist_ok=True)


class _Keeper(threading.Thread):
    def __init__(self, folder: Path, *, directory: str, every: float) -> None:
        super().__init__(daemon=True, name="checkpoints")
        self._folder = folder
        self._directory = directory
        self._every = every
        self._stopped = threading.Event()
        self._saving = threading.Lock()
        self._saved = _signature(folder)
        self._number = 0

    def run(self) -> None:
        while not self._stopped.wait(self._every):
            self.save()

    def end(self) -> None:
        """Save no more; what is being saved is brought to its end."""
        self._stopped.set()
        self.join()

    def save(self) -> None:
        """Commit the folder as it is, unless it is empty or as it was."""
        with self._saving:
            found = _signature(self._folder)
            if not found or found == self._saved:
                return
            try:
                self._commit(found)
            except (StoreError, OSError) as error:
                print(f"The checkpoint could not be saved: {error}", flush=True)
        self.forget(keep=KEPT)

    def _commit(self, found: object) -> None:
        with tempfile.TemporaryDirectory(prefix="airflow-ml-checkpoint-") as copies:
            copy = shutil.copytree(self._folder, Path(copies, "copy"))
            # A file that was written meanwhile may be torn: the next look takes it.
            if _signature(self._folder) != found:
                return
            name = checkpoint_name(self._number + 1)
            ArtifactStore().put(copy, directory=self._directory, output=name, artifact_type="directory")
        self._number += 1
        self._saved = found

    def save_and_leave(self) -> None:
        self._stopped.set()
        # The lock may be held by this very thread: a signal comes between any two instructions.
        last = threading.Thread(target=self.save, daemon=True)
        last.start()
        last.join()
        os._exit(SIGTERM_EXIT_CODE)

    def forget(self, *, keep: int) -> None:
        for number in range(max(1, self._number - keep - 1), self._number - keep + 1):
            try:
                ArtifactStore().remove(join(self._directory, checkpoint_name(number)))
            except StoreError as error:
                print(f"An old checkpoint is left in the store: {error}", flush=True)


def _signature(folder: Path) -> object:
    entries = sorted(path for path in folder.rglob("*") if path.is_file())
    return [(str(path), status.st_size, status.st_mtime_ns) for path in entries for status in [path.stat()]]
