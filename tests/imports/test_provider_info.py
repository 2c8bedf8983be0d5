import json
import subprocess
import sys
from importlib.metadata import entry_points, version
from pathlib import Path

from airflow_ml_provider import __version__
from airflow_ml_provider.get_provider_info import get_provider_info


def test_airflow_finds_the_provider_its_connection_and_its_links(tmp_path):
    environment = {"AIRFLOW_HOME": str(tmp_path), "PATH": str(Path(sys.executable).parent), "COLUMNS": "400"}
    code = (
        "import json; from airflow.providers_manager import ProvidersManager as M; m = M();"
        "print(json.dumps(['airflow-ml-provider' in m.providers, m.hooks['mlflow'].hook_name,"
        " sorted(name for name in m.extra_links_class_names if 'airflow_ml' in name)]))"
    )
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    links = [
        "airflow_ml_provider.operators.links.EndpointLink",
        "airflow_ml_provider.operators.links.MlflowRunLink",
        "airflow_ml_provider.operators.links.ModelVersionLink",
    ]
    assert json.loads(done.stdout.splitlines()[-1]) == [True, "MLflow", links]


def test_the_distribution_is_what_the_provider_says():
    (entry,) = [e for e in entry_points(group="apache_airflow_provider") if e.module.startswith("airflow_ml")]
    assert entry.load()() == get_provider_info()
    assert version("airflow-ml-provider") == __version__ == get_provider_info()["versions"][0]
