"""A plain folder becomes a registered pyfunc, once for the same content."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from airflow_ml_provider.runtime.errors import ContractError
from airflow_ml_provider.runtime.stages.register import _as_pyfunc, model_digest

LOADING = """\
from pathlib import Path


class Times:
    def __init__(self, factor):
        self.factor = factor

    def predict(self, rows):
        return rows["x"] * self.factor


def _load_pyfunc(path):
    return Times(int((Path(path) / "factor.txt").read_text()))
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    code = tmp_path / "code" / "folder_model"
    code.mkdir(parents=True)
    (code / "__init__.py").touch()
    (code / "loading.py").write_text(LOADING)
    (code / "other.py").write_text("X = 1\n")
    folder = tmp_path / "inputs" / "model"
    folder.mkdir(parents=True)
    (folder / "factor.txt").write_text("3")
    monkeypatch.chdir(code)
    monkeypatch.syspath_prepend(str(code.parent))
    yield SimpleNamespace(code=code, folder=folder)
    for name in [name for name in sys.modules if name.startswith("folder_model")]:
        del sys.modules[name]


def test_a_folder_and_its_code_are_a_model(place, tmp_path):
    made = _as_pyfunc(place.folder, "folder_model.loading")
    digest = model_digest(made)
    shutil.move(made, tmp_path / "elsewhere")
    assert model_digest(_as_pyfunc(place.folder, "folder_model.loading")) == digest
    (place.folder / "factor.txt").write_text("4")
    shutil.rmtree(made)
    assert model_digest(_as_pyfunc(place.folder, "folder_model.loading")) != digest
    # Where nothing of it is installed.
    script = f"""
import mlflow, pandas as pd
model = mlflow.pyfunc.load_model({str(tmp_path / "elsewhere")!r})
print(list(model.predict(pd.DataFrame({{"x": [2]}}))))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd="/", env=dict(os.environ), capture_output=True, text=True, check=False
    )
    assert done.stdout.strip().endswith("[6]") or "[np.int64(6)]" in done.stdout, done.stderr


@pytest.mark.parametrize(
    ("loader", "told"),
    [
        ("folder_model.nowhere", "loader 'folder_model.nowhere' cannot be imported: No module named"),
        ("folder_model.other", "loader 'folder_model.other' has no function _load_pyfunc"),
    ],
)
def test_a_loader_that_is_none(place, loader, told):
    with pytest.raises(ContractError, match=told):
        _as_pyfunc(place.folder, loader)


def test_a_folder_without_a_loader_says_what_to_do(place: SimpleNamespace):
    with pytest.raises(ContractError, match="or name the module that loads the folder"):
        model_digest(Path(place.folder))
