import subprocess
import sys
from pathlib import Path

HEAVY = ("mlflow", "great_expectations", "pandas", "numpy", "sklearn", "optuna", "evidently")
EXAMPLES = ["flight_delays", "flight_loop", "flight_watch", "other_languages"]
LOADER = Path(__file__).parents[2] / "example_dags" / "load_pipelines.py"

CHECK = f"""
import sys
from airflow_ml_provider.dag_factory import load_dags
from airflow_ml_provider.hooks.mlflow import MlflowHook
from airflow_ml_provider.get_provider_info import get_provider_info
from airflow_ml_provider.operators import finish
get_provider_info()
assert list(load_dags({str(LOADER)!r})) == {EXAMPLES}
loaded = [name for name in {HEAVY} if name in sys.modules]
assert not loaded, loaded
"""

RUNTIME = """
import sys
import airflow_ml_provider.runtime.stage
loaded = [name for name in ("airflow", "kubernetes", "pydantic", "fsspec", "yaml") if name in sys.modules]
assert not loaded, loaded
"""


def test_the_provider_and_a_pipeline_load_no_machine_learning_library():
    done = subprocess.run([sys.executable, "-c", CHECK], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_runtime_loads_the_standard_library_only():
    done = subprocess.run([sys.executable, "-c", RUNTIME], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
