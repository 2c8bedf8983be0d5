"""The folder that one attempt works in: inputs fetched, outputs to be committed, code on the path."""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path

from airflow_ml_provider.artifacts.code_unpacking import unpack_code
from airflow_ml_provider.artifacts.errors import InvalidArtifactError
from airflow_ml_provider.artifacts.store import ArtifactStore
from airflow_ml_provider.protocol.artifact import ArtifactRef
from airflow_ml_provider.protocol.names import FETCH_THEMSELVES
from airflow_ml_provider.protocol.request import StageRequest
from airflow_ml_provider.runtime.errors import ContractError
from airflow_ml_provider.runtime.patience import patiently


class Workspace:
    """Local folders of one attempt.

    Attributes:
        root: The folder that holds all others.
        inputs: Local path of each input, once fetched.
        outputs: Local path of each output; its parent exists, the path itself does not.
        result: Where a command writes its result.
        checkpoints: What outlives the attempt, where the stage wants that.
    """

    def __init__(self, root: Path, request: StageRequest) -> None:
        self.root = root
        self._request = request
        self._code = root / "code"
        self.inputs = {name: root / "inputs" / name for name in request.inputs}
        self.outputs = {name: root / "outputs" / name for name in request.outputs}
        self.result = root / "result.json"
        self.checkpoints = root / "checkpoints"

    @property
    def folder(self) -> Path:
        """The working directory of the user's code: the folder that was shipped, else the root."""
        return next(self._code.iterdir()) if self._code.exists() else self.root

    def fetch(self, store: ArtifactStore) -> None:
        """Fetch inputs and code.

        Raises:
            StoreError: An artifact is not there, changed, or the store does not answer.
        """
        (self.root / "outputs").mkdir()
        taken = {} if self._request.body in FETCH_THEMSELVES else self._request.inputs
        for name, ref in taken.items():
            patiently(partial(store.fetch, ref, self.inputs[name]), what=f"Fetching input {name!r}")
        if self._request.code is not None:
            code = patiently(partial(store.fetch_content, self._request.code), what="Fetching the code")
            unpack_code(code, self._code)

    def enter(self) -> None:
        """Make the code's folder the working directory, and the code importable."""
        if self._code.exists():
            sys.path.insert(0, str(self._code))
        os.chdir(self.folder)

    def commit(self, *, passed_through: dict[str, ArtifactRef]) -> dict[str, ArtifactRef]:
        """Commit every declared output that is not passed through, all or an error before the first.

        Raises:
            ContractError: A declared output was not written, or cannot become an artifact.
            StoreUnavailableError: The store does not answer.
        """
        written = {name: path for name, path in self.outputs.items() if name not in passed_through}
        for name, path in written.items():
            if not path.exists():
                raise ContractError(
                    f"output {name!r} was not written: the stage ended without a file or folder at the path it "
                    f"was given for it"
                )
            if path.is_dir() and not any(entry.is_file() for entry in path.rglob("*")):
                raise ContractError(f"output {name!r} is a folder without a file in it")
        store = ArtifactStore()
        try:
            return {
                **passed_through,
                **{
                    name: patiently(
                        partial(
                            store.put,
                            path,
                            directory=self._request.attempt_uri,
                            output=name,
                            artifact_type=self._request.outputs[name],
                        ),
                        what=f"Committing output {name!r}",
                    )
                    for name, path in written.items()
                },
            }
        except InvalidArtifactError as error:
            raise ContractError(f"an output cannot be stored: {error}") from error
