"""A folder that outlives its attempt: brought to the store now and then, and by the next attempt back from it."""

from __future__ import annotations

import os
import select
import shutil
import signal
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from airflow_ml_provider.artifacts.checkpoints import checkpoint_name, checkpoints_uri, committed_checkpoints
from airflow_ml_provider.artifacts.errors import StoreError
from airflow_ml_provider.artifacts.layout import join
from airflow_ml_provider.artifacts.store import ArtifactStore
from airflow_ml_provider.protocol.request import StageRequest
from airflow_ml_provider.runtime.first_process import SIGTERM_EXIT_CODE
from airflow_ml_provider.runtime.patience import patiently

_LAST_LOOKS = 20
"""How often the last save looks for a moment in which no file changes."""
KEPT = 2
"""Checkpoints of an attempt that are kept: should the last one be damaged, there is one before it."""


@contextmanager
def kept_checkpoints(request: StageRequest, folder: Path) -> Iterator[None]:
    """Bring the folder back as it was, keep it while the block runs, and once more when it ends before its time.

    Args:
        request: The attempt; without checkpoints nothing happens.
        folder: The folder, which is made.
    """
    if request.checkpoints is None:
        yield
        return
    _restore(request, folder)
    keeper = _Keeper(folder, directory=checkpoints_uri(request.attempt_uri), every=request.checkpoints.every)
    before = signal.signal(signal.SIGTERM, lambda _number, _frame: keeper.leave())
    keeper.start()
    try:
        with ExitStack() as on_error:
            on_error.callback(keeper.end, save=True)
            yield
            on_error.pop_all()
    finally:
        keeper.end(save=False)
        signal.signal(signal.SIGTERM, before)


def forget_checkpoints(request: StageRequest) -> None:
    """Remove the checkpoints of work that is done, and those that it resumed from."""
    if request.checkpoints is None:
        return
    try:
        for ref in (*committed_checkpoints(request.attempt_uri), *request.checkpoints.resume):
            ArtifactStore().remove(ref.uri)
    except StoreError as error:
        print(f"Checkpoints that nobody needs are left in the store: {error}", flush=True)


def _restore(request: StageRequest, folder: Path) -> None:
    assert request.checkpoints is not None
    for ref in request.checkpoints.resume:
        try:
            patiently(partial(ArtifactStore().fetch, ref, folder), what="Fetching the checkpoint")
        except StoreError as error:
            print(f"Checkpoint {ref.uri} cannot be used: {error}", flush=True)
        else:
            print(f"Resumed from checkpoint {ref.uri}", flush=True)
            break
    folder.mkdir(exist_ok=True)


class _Keeper(threading.Thread):
    """Saves in its own thread alone, so that a signal never meets a save half done in the main thread."""

    def __init__(self, folder: Path, *, directory: str, every: float) -> None:
        super().__init__(daemon=True, name="checkpoints")
        self._folder = folder
        self._directory = directory
        self._every = every
        # A handler of a signal may come while this thread of Python holds a lock, that of an Event too: it sets a flag,
        # and a pipe wakes the thread.
        self._wake, self._woken = os.pipe()
        self._ended = self._leaves = self._saves_at_end = self._done = False
        self._saved = _signature(folder)
        self._number = 0

    def run(self) -> None:
        while not self._ended:
            ready, _, _ = select.select([self._wake], [], [], self._every)
            if not ready:
                self._save()
        for _ in range(_LAST_LOOKS if self._saves_at_end else 0):
            if self._save():
                break
        self._done = True
        if self._leaves:
            os._exit(SIGTERM_EXIT_CODE)

    def end(self, *, save: bool) -> None:
        """Save no more, or once more; what is being saved is brought to its end."""
        self._saves_at_end = self._saves_at_end or save
        self._end()
        self.join()

    def leave(self) -> None:
        """Have the folder saved once more and the process ended: called from the handler of a signal."""
        self._leaves = self._saves_at_end = True
        self._end()
        if self._done:
            os._exit(SIGTERM_EXIT_CODE)

    def _end(self) -> None:
        self._ended = True
        os.write(self._woken, b".")

    def _save(self) -> bool:
        """Save what has changed; says whether there is no more to be saved."""
        try:
            found = _signature(self._folder)
            if not found or found == self._saved:
                return True
            if not self._commit(found):
                return False
            self._saved = found
            self._forget_older()
        except (StoreError, OSError) as error:
            print(f"The checkpoint could not be saved: {error}", flush=True)
        return True

    def _commit(self, found: object) -> bool:
        with tempfile.TemporaryDirectory(prefix="airflow-ml-checkpoint-") as copies:
            copy = shutil.copytree(self._folder, Path(copies, "copy"))
            # A file that was written meanwhile may be torn: the next look takes it.
            if _signature(self._folder) != found:
                return False
            # A name whose commit failed is not used again: its record may be there, and only the answer was lost.
            self._number += 1
            name = checkpoint_name(self._number)
            ArtifactStore().put(copy, directory=self._directory, output=name, artifact_type="directory")
        return True

    def _forget_older(self) -> None:
        if self._number > KEPT:
            ArtifactStore().remove(join(self._directory, checkpoint_name(self._number - KEPT)))


def _signature(folder: Path) -> object:
    entries = sorted(path for path in folder.rglob("*") if path.is_file())
    return [(str(path), status.st_size, status.st_mtime_ns) for path in entries for status in [path.stat()]]
