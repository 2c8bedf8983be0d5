"""Stages in processes of their own, as operators start them."""

import os
import subprocess
import sys
import textwrap

from airflow_ml_provider.artifacts.code_packing import pack_code
from airflow_ml_provider.artifacts.layout import RESULT, join
from airflow_ml_provider.artifacts.objects import read_object
from airflow_ml_provider.artifacts.store import ArtifactStore
from airflow_ml_provider.protocol.environment import REQUEST_VARIABLE
from airflow_ml_provider.protocol.request import StageRequest
from airflow_ml_provider.protocol.result import StageResult


class Attempts:
    """Runs stages in processes against a store in a folder."""

    def __init__(self, folder, store=None):
        self.folder = folder
        self.store = store or f"file://{folder}/store"
        self.attempt = 0
        source = folder / "source"
        source.write_text("ab")
        artifacts = ArtifactStore()
        self.data = artifacts.put(source, directory=f"{self.store}/in", output="data", artifact_type="dataset")

    def code(self, text, name="mycode"):
        package = self.folder / f"code{self.attempt}" / name
        package.mkdir(parents=True)
        (package / "stages.py").write_text(textwrap.dedent(text))
        return ArtifactStore().put_content(self.store, pack_code(package), suffix=".zip")

    def request(self, **changes):
        self.attempt += 1
        values = {
            "kind": "train",
            "pipeline": "p",
            "stage": "train",
            "dag_run": "r",
            "attempt": "1.1",
            "attempt_uri": f"{self.store}/attempts/{self.attempt}",
            "inputs": {"data": self.data},
            "outputs": {"model": "model"},
            **changes,
        }
        return StageRequest(**values)

    def start(self, request, **more):
        environment = {**os.environ, REQUEST_VARIABLE: request.to_json(), **more.pop("environment", {})}
        return subprocess.Popen(
            [sys.executable, "-m", "airflow_ml_provider.runtime"],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **more,
        )

    def run(self, **changes):
        request = self.request(**changes)
        process = self.start(request)
        _, errors = process.communicate(timeout=60)
        return process.returncode, self.result(request), errors

    def result(self, request):
        try:
            return StageResult.from_json(read_object(join(request.attempt_uri, RESULT)))
        except FileNotFoundError:
            return None
