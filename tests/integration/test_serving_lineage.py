"""From what serves back to the list of the files that a source gave, asked of MLflow's registry alone."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import httpx

from airflow_ml_provider.protocol.manifest import from_lines

DAG, NAME = "sourced", "fitted"


def test_mlflows_registry_leads_from_the_version_that_serves_to_the_manifest_of_its_data(
    airflow, dags_folder, mlflow, tmp_path
):
    points = dags_folder / "cases" / "points"
    points.mkdir()
    contents = {name: f"x,y\n1,{slope}\n2,{2 * slope}\n" for name, slope in (("may", 2.0), ("june", 4.0))}
    for name, content in contents.items():
        (points / f"{name}.csv").write_text(content)
    run, state, _ = airflow.run(DAG)
    assert state == "success", airflow.api.log(DAG, run, "serve")
    endpoint = airflow.api.xcom(DAG, run, "serve", "endpoint")
    body = {"dataframe_split": {"columns": ["x"], "data": [[1.0]]}}
    assert httpx.post(f"{endpoint['url']}/invocations", json=body).json() == {"predictions": [3.0]}

    (version,) = mlflow.versions(NAME)
    tags = {tag["key"].removeprefix("airflow_ml."): tag["value"] for tag in version["tags"]}
    assert (tags["endpoint"], version["version"]) == (endpoint["url"], endpoint["version"])
    assert mlflow.aliases(NAME) == {"champion": endpoint["version"]}
    uri, _, digest = tags["data_manifest"].rpartition("@")
    manifest = Path(uri.removeprefix("file://")).read_bytes()
    assert digest == airflow.api.xcom(DAG, run, "sources.points", "manifest")["digest"]
    assert digest.endswith(hashlib.sha256(manifest).hexdigest())
    assert {Path(entry.uri).stem: entry.size for entry in from_lines(manifest)} == {
        name: len(content) for name, content in contents.items()
    }
    command = [Path(sys.executable).parent / "airflow-ml", "endpoint", "stop", NAME]
    subprocess.run(command, env={**os.environ, "AIRFLOW_HOME": str(airflow.server.home)}, cwd=tmp_path, check=True)
