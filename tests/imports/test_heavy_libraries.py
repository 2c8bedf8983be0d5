"""No module but the runtime's imports a machine-learning library, not even within a function."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "airflow_ml_provider"
HEAVY = {
    *("mlflow", "great_expectations", "pandas", "numpy", "optuna", "plotly", "sklearn", "evidently", "torch"),
    *("scipy", "pyarrow", "xgboost", "lightgbm"),
}
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if "runtime" not in path.relative_to(PACKAGE).parts)


def heavy_imports(source):
    """Return the heavy libraries that a module's source imports anywhere."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
        elif isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) in (
            "import_module",
            "__import__",
        ):
            found |= {
                argument.value.partition(".")[0]
                for argument in node.args
                if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
            }
    return found & HEAVY


def test_no_module_does():
    assert len(MODULES) > 250
    assert {path: found for path in MODULES if (found := heavy_imports(path.read_text()))} == {}


@pytest.mark.parametrize(
    "module",
    [
        "triggers/new_data.py",
        "plugin/routes.py",
        "artifacts/store.py",
        "local/pipeline_run.py",
        "tasks/run_context.py",
        "protocol/request.py",
    ],
)
@pytest.mark.parametrize(
    "lazy", ["import mlflow", "from mlflow.tracking import MlflowClient", "import_module('mlflow.pyfunc')"]
)
def test_a_lazy_import_is_seen_in_any_of_them(module, lazy):
    source = (PACKAGE / module).read_text()
    assert not heavy_imports(source)
    assert heavy_imports(f"{source}\n\ndef lazily():\n    {lazy}\n") == {"mlflow"}
