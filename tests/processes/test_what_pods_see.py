"""What pods do not see is told by ``airflow-ml doctor``, and by ``validate --airflow`` of ingest stages."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from airflow_ml_provider.cli.admin.doctor import is_loopback
from airflow_ml_provider.errors import StageConfigurationError
from airflow_ml_provider.runners.stage_pod import read_pod_template

AIRFLOW_ML = Path(sys.executable).parent / "airflow-ml"
KEYS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "word", "AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
MLFLOW = '{"conn_type": "mlflow", "host": "http://127.0.0.1:9"}'


def airflow_ml(folder, *arguments, **variables):
    """Run a command with an Airflow of its own, whose store and MLflow answer nowhere at once."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("AIRFLOW", "AWS", "KUBE"))}
    own = {"AIRFLOW_HOME": str(folder), "AIRFLOW__ML__RUNNER": "kubernetes", "AWS_MAX_ATTEMPTS": "1", "NO_COLOR": "1"}
    quick = {"FSSPEC_S3": '{"config_kwargs": {"retries": {"max_attempts": 0}, "connect_timeout": 1}}'}
    return subprocess.run(
        [str(AIRFLOW_ML), *arguments],
        env={**inherited, **own, **quick, "AIRFLOW_CONN_MLFLOW_DEFAULT": MLFLOW, **variables},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def of_pods(done):
    return [
        line.removeprefix("to do    ") for line in done.stdout.splitlines() if line.partition(": ")[0][9:] == "pods"
    ]


def template(folder, **container):
    path = folder / "pod.yaml"
    spec = {"containers": [{"name": "base", "image": "i:1", **container}]}
    path.write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": spec}))
    return str(path)


def test_what_only_this_machine_has_is_named(tmp_path):
    told = of_pods(airflow_ml(tmp_path, "doctor", AIRFLOW__ML__STORE="s3://bucket/ml", **KEYS))
    begins = (
        "pods: MLflow's address http://127.0.0.1:9 is a loopback address",
        "pods: the store answers at http://127.0.0.1:9 (AWS_ENDPOINT_URL), which pods do not get",
        "pods: the store's keys AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY are in this environment alone",
    )
    assert len(told) == len(begins), told
    assert all(line.startswith(begin) for line, begin in zip(told, begins, strict=True)), told


def test_a_template_that_gives_it_to_pods_is_well_and_one_that_leads_astray_is_not(tmp_path):
    secret = {"valueFrom": {"secretKeyRef": {"name": "s3", "key": "id"}}}
    here = [{"name": "AWS_ACCESS_KEY_ID", **secret}, {"name": "AWS_ENDPOINT_URL", "value": "http://localhost:9000"}]
    reached = '{"conn_type": "mlflow", "host": "http://mlflow.ml.svc:5000"}'
    given = {"AIRFLOW__ML__STORE": "s3://bucket/ml", "AIRFLOW_CONN_MLFLOW_DEFAULT": reached, **KEYS}
    (told,) = of_pods(airflow_ml(tmp_path, "doctor", AIRFLOW__ML__POD_TEMPLATE=template(tmp_path, env=here), **given))
    assert told == (
        "pods: [ml] pod_template sends pods to http://localhost:9000 for the store, which in a pod is the pod itself"
    )
    whole = template(tmp_path, envFrom=[{"secretRef": {"name": "s3"}}])
    (told,) = of_pods(airflow_ml(tmp_path, "doctor", AIRFLOW__ML__POD_TEMPLATE=whole, **given))
    assert told == "ok       pods: nothing that only this machine has is given to them"


def test_a_store_on_this_machine_and_a_template_that_is_not_there_are_reported(tmp_path):
    store = f"file://{tmp_path}/store"
    told = of_pods(airflow_ml(tmp_path, "doctor", AIRFLOW__ML__STORE=store))
    assert told[1].startswith(f"pods: the store {store} is on this machine's disk, a pod looks on its own")
    for content, why in ((None, "cannot be read as a pod: "), ("words", "is not a pod"), ("a: [", "cannot be read")):
        if content:
            (tmp_path / "gone.yaml").write_text(content)
        done = airflow_ml(tmp_path, "doctor", AIRFLOW__ML__STORE=store, AIRFLOW__ML__POD_TEMPLATE="gone.yaml")
        assert f"to do    pod template: [ml] pod_template 'gone.yaml' {why}" in done.stdout
        assert "Traceback" not in done.stdout + done.stderr
        assert done.returncode == 1


@pytest.mark.parametrize(
    "content",
    [
        "spec: {containers: [{name: base, ports: 7}]}",
        "spec: {containers: [{name: base, resources: {limits: 5}}]}",
        "{metadata: {creationTimestamp: xx}, spec: {containers: [{name: base}]}}",
        "spec: {containers: []}",
        "spec: {containers: [null]}",
        "[]",
    ],
)
def test_what_is_no_pod_is_a_mistake_of_configuration(tmp_path, content):
    (tmp_path / "pod.yaml").write_text(content)
    with pytest.raises(
        StageConfigurationError, match=r"^pod_template_file '.*pod.yaml' (is not|cannot be read as) a pod"
    ):
        read_pod_template(str(tmp_path / "pod.yaml"), named="pod_template_file")


def test_a_store_that_cannot_be_opened_is_reported_once(tmp_path):
    done = airflow_ml(tmp_path, "doctor", AIRFLOW__ML__STORE="gs://bucket/ml")
    assert "to do    store: " in done.stdout
    assert "cluster: " in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_stages_in_processes_need_nothing_of_it(tmp_path):
    done = airflow_ml(tmp_path, "doctor", AIRFLOW__ML__STORE=f"file://{tmp_path}/store", AIRFLOW__ML__RUNNER="local")
    assert of_pods(done) == []


@pytest.mark.parametrize(
    ("address", "own"),
    [
        ("http://127.0.0.1:5000", True),
        ("http://127.9.9.9", True),
        ("http://[::1]:5000/x", True),
        ("http://LOCALHOST:5000", True),
        ("http://a.localhost", True),
        ("http://localhost.example.org", False),
        ("http://10.0.0.1:5000", False),
        ("", False),
        ("http://[::1", False),
    ],
)
def test_an_address_of_this_machine_alone_is_known(address, own):
    assert is_loopback(address) is own


def test_validate_reports_of_files_that_a_pod_looks_for_on_its_own_disk(tmp_path):
    file = tmp_path / "p.yaml"
    text = "pipeline: p\nstages:\n  a:\n    kind: ingest\n    uri: data/*.csv\n"
    file.write_text(text)
    assert airflow_ml(tmp_path, "validate", "--strict").returncode == 0
    done = airflow_ml(tmp_path, "validate", "--strict", "--airflow")
    assert done.returncode == 1
    assert (
        "p.yaml:5:5: warning: stages.a.uri: data/*.csv is a path of this machine, and with runner kubernetes"
        in done.stderr
    )
    assert airflow_ml(tmp_path, "validate", "--strict", "--airflow", AIRFLOW__ML__RUNNER="local").returncode == 0
    for change in ("runner: local\n", "pod: {volumes: {d: {claim: c, path: /d}}}\n"):
        file.write_text(f"{change}{text}")
        done = airflow_ml(tmp_path, "validate", "--strict", "--airflow")
        assert done.returncode == 0, done.stderr
    assert "[ml] runner is 'x'" in airflow_ml(tmp_path, "validate", "--airflow", AIRFLOW__ML__RUNNER="x").stderr
