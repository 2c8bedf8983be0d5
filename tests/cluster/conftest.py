"""A real Kubernetes, a real S3 server, MLflow and Airflow on this machine that pods reach.

The cluster is the one of KUBECONFIG, or the one that ``../shared/cluster`` starts. With a cluster of your own say also
``ML_TEST_IMAGE`` (the image of docker/stage, pullable there) and ``ML_TEST_HOST`` (this machine's address for pods).
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import uuid
from dataclasses import dataclass
from pathlib import Path

import pytest

from airflow_ml_provider.cli.admin.manifests import manifests
from airflow_ml_provider.testing.airflow_server import AirflowServer
from airflow_ml_provider.testing.mlflow_server import MlflowServer
from airflow_ml_provider.testing.server_process import ServerProcess, free_port
from tests.live.airflow import Airflow
from tests.live.api_proxy import ApiProxy
from tests.live.kubernetes import Kubernetes
from tests.live.mlflow import Mlflow
from tests.live.world import World

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SHARED = ROOT.parent / "shared" / "cluster" / "cluster"
LEFT_OUT = (
    "tests/cluster was left out: there is no Kubernetes. Run it with KUBECONFIG=... ML_TEST_IMAGE=... ML_TEST_HOST=... "
    "python -m pytest tests/cluster"
)


def pytest_collection_modifyitems(items):
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.cluster)


@dataclass(frozen=True)
class Cluster:
    """Where pods run and how they reach this machine."""

    kubeconfig: Path
    image: str
    host: str


def shared_cluster(*arguments):
    done = subprocess.run([SHARED, *arguments], capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, f"{SHARED} {' '.join(arguments)}:\n{done.stdout}\n{done.stderr}"
    return done.stdout.strip()


@pytest.fixture(scope="session")
def cluster():
    if os.environ.get("KUBECONFIG") and os.environ.get("ML_TEST_IMAGE"):
        yield Cluster(
            Path(os.environ["KUBECONFIG"]), os.environ["ML_TEST_IMAGE"], os.environ.get("ML_TEST_HOST", "127.0.0.1")
        )
        return
    if not SHARED.exists():
        pytest.skip(LEFT_OUT)
    was_up = subprocess.run([SHARED, "kubectl", "get", "nodes"], capture_output=True, check=False).returncode == 0
    kubeconfig = Path(shared_cluster("up").splitlines()[-1])
    folder = ROOT / "docker" / "stage"
    content = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(folder.iterdir()))).hexdigest()[:12]
    image = f"ml/stage:test-{content}"
    if image not in shared_cluster("images"):
        shared_cluster("build", "-t", image, "-f", str(folder / "Dockerfile"), str(folder))
    yield Cluster(kubeconfig, image, shared_cluster("host-ip"))
    if not was_up:
        shared_cluster("down")


@pytest.fixture(scope="session")
def other_languages(cluster):
    """Images without Python, under the names that example_dags/other_languages gives them."""
    if not SHARED.exists():
        pytest.skip("the images of example_dags/other_languages are built with ../shared/cluster only")
    there = shared_cluster("images")
    for name, tag in (("node", "node:22-slim"), ("java", "eclipse-temurin:21"), ("go", "flights-evaluate:1.0")):
        if tag not in there:
            shared_cluster("build", "-t", tag, "-f", str(HERE / "images" / f"{name}.Dockerfile"), str(ROOT))


@pytest.fixture(scope="session")
def kubernetes(cluster):
    """A namespace as ``airflow-ml manifests`` makes it, Pod Security "restricted"; gone after the session."""
    namespace = f"ml-{uuid.uuid4().hex[:8]}"
    live = Kubernetes(cluster.kubeconfig, namespace)
    live.apply(manifests(namespace, accounts=["airflow"], uses=["stages", "serving", "kserve"]))
    yield live
    live.delete_namespace()


@dataclass(frozen=True)
class S3:
    """An S3 server: its address here, in pods, and the keys."""

    here: str
    in_pods: str
    key: str
    secret: str

    def variables(self, url):
        return {
            "AWS_ENDPOINT_URL": url,
            "AWS_ACCESS_KEY_ID": self.key,
            "AWS_SECRET_ACCESS_KEY": self.secret,
            "AWS_DEFAULT_REGION": "us-east-1",
        }


@pytest.fixture(scope="session")
def s3(cluster, tmp_path_factory):
    """The real S3 server of ../shared where it is there, else moto's."""
    versitygw = SHARED.parent / "s3" / "s3"
    if versitygw.exists():
        printed = subprocess.run([versitygw, "up"], capture_output=True, text=True, check=True).stdout
        values = dict(word.split("=", 1) for word in printed.split() if "=" in word)
        here = values["AWS_ENDPOINT_URL"]
        yield S3(
            here,
            f"http://{cluster.host}:{here.rpartition(':')[2]}",
            values["AWS_ACCESS_KEY_ID"],
            values["AWS_SECRET_ACCESS_KEY"],
        )
        subprocess.run([versitygw, "down"], check=True)
        return
    port = free_port()
    server = ServerProcess(
        name="moto's S3 server",
        command=[sys.executable, "-m", "moto.server", "-H", "0.0.0.0", "-p", str(port)],
        environment={},
        log=tmp_path_factory.mktemp("s3") / "s3.log",
    )
    server.start()
    yield S3(f"http://127.0.0.1:{port}", f"http://{cluster.host}:{port}", "test", "test")
    server.stop(seconds=3)


@pytest.fixture(scope="session")
def bucket(s3):
    """A new bucket; the variables to reach it are set in this process."""
    import fsspec

    before = {name: os.environ.get(name) for name in s3.variables("")}
    os.environ.update(s3.variables(s3.here))
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    name = f"ml-{uuid.uuid4().hex[:12]}"
    files = fsspec.filesystem("s3")
    files.mkdir(name)
    files.put(str(ROOT / "example_dags" / "flight_delays" / "data") + "/", f"{name}/flights/", recursive=True)
    yield name
    files.rm(name, recursive=True)
    for variable, value in before.items():
        os.environ.pop(variable) if value is None else os.environ.__setitem__(variable, value)


@pytest.fixture(scope="session")
def pod_mlflow(cluster, tmp_path_factory):
    """An MLflow server that pods reach."""
    with MlflowServer(tmp_path_factory.mktemp("pod-mlflow"), host="0.0.0.0") as server:
        yield server


@pytest.fixture(scope="session")
def mlflow_password():
    """What Airflow's connection holds; this MLflow asks for no login, so pods need none."""
    return f"hidden-{uuid.uuid4().hex}"


@pytest.fixture(scope="session")
def mlflow(pod_mlflow):
    return Mlflow(pod_mlflow.uri)


@pytest.fixture(scope="session")
def pod_template(kubernetes, s3, tmp_path_factory):
    """What an administrator sets once for all stages: the way to the store, its keys from a Secret."""
    kubernetes.create_secret("s3-keys", {"AWS_ACCESS_KEY_ID": s3.key, "AWS_SECRET_ACCESS_KEY": s3.secret})
    template = {
        "apiVersion": "v1",
        "kind": "Pod",
        "spec": {
            "automountServiceAccountToken": False,
            "containers": [
                {
                    "name": "base",
                    "imagePullPolicy": "IfNotPresent",
                    "env": [
                        {"name": "AWS_ENDPOINT_URL", "value": s3.in_pods},
                        {"name": "AWS_DEFAULT_REGION", "value": "us-east-1"},
                        # Of this cluster's network a packet is lost now and then; a minute is long to wait for that.
                        {"name": "FSSPEC_S3", "value": json.dumps({"config_kwargs": {"connect_timeout": 5}})},
                    ],
                    "envFrom": [{"secretRef": {"name": "s3-keys"}}],
                }
            ],
        },
    }
    path = tmp_path_factory.mktemp("template") / "pod.yaml"
    path.write_text(json.dumps(template))
    return path


@pytest.fixture(scope="session")
def nobody(kubernetes):
    """The kubeconfig of a ServiceAccount without rights."""
    kubernetes.api.create_namespaced_service_account(kubernetes.namespace, {"metadata": {"name": "nobody"}})
    return kubernetes.kubeconfig_of("nobody")


@pytest.fixture(scope="session")
def api_proxy(kubernetes):
    proxy = ApiProxy(kubernetes.kubeconfig_of("airflow"))
    yield proxy
    proxy.close()


@pytest.fixture(scope="session")
def world(kubernetes, pod_mlflow, airflow, api_proxy):
    """What faults reach beyond one stage."""
    home = Path(os.environ.get("CLUSTER_HOME", Path.home() / ".cache" / "ml-cluster"))
    live = World(
        kubernetes=kubernetes,
        mlflow_server=pod_mlflow,
        airflow=airflow,
        shared_cluster=shared_cluster,
        cluster_home=home,
        api_proxy=api_proxy,
        store=lambda command: subprocess.run([SHARED.parent / "s3" / "s3", command], check=True, capture_output=True),
    )
    yield live
    live.close()


@pytest.fixture(scope="session")
def shared_volume(kubernetes, tmp_path_factory):
    """A folder of this machine, which is the node, as a PersistentVolume that pods claim as ``shared``."""
    folder = tmp_path_factory.mktemp("shared-volume")
    folder.chmod(0o777)
    name = f"shared-{kubernetes.namespace}"
    claim = {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "1Gi"}}, "storageClassName": ""}
    kubernetes.api.create_persistent_volume(
        {
            "metadata": {"name": name},
            "spec": {
                "accessModes": ["ReadWriteMany"],
                "capacity": {"storage": "1Gi"},
                "hostPath": {"path": str(folder)},
                "persistentVolumeReclaimPolicy": "Retain",
            },
        }
    )
    kubernetes.api.create_namespaced_persistent_volume_claim(
        kubernetes.namespace, {"metadata": {"name": "shared"}, "spec": {**claim, "volumeName": name}}
    )
    yield folder
    kubernetes.api.delete_persistent_volume(name)


def deferrable_flights(examples):
    """The same pipeline once more, waiting in the triggerer."""
    copy = shutil.copytree(examples / "flight_delays", examples / "flight_delays_deferrable")
    pipeline = copy / "pipeline.yaml"
    text = pipeline.read_text().replace("pipeline: flight_delays\n", "pipeline: flight_delays_deferrable\n")
    pipeline.write_text(text + "pod: {deferrable: true}\n")


def kubernetes_connection(kubeconfig):
    return json.dumps({"conn_type": "kubernetes", "extra": {"kube_config": json.dumps(kubeconfig)}})


@pytest.fixture(scope="session")
def airflow(
    cluster,
    kubernetes,
    s3,
    bucket,
    pod_mlflow,
    mlflow_password,
    pod_template,
    nobody,
    api_proxy,
    shared_volume,
    tmp_path_factory,
):
    """A real Airflow that runs stages as pods, with the rights of the manifests and no others."""
    folder = tmp_path_factory.mktemp("dags")
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "example_dags", folder / "examples", ignore=ignore)
    deferrable_flights(folder / "examples")
    for name in ("flight_loop", "flight_watch"):
        pipeline = folder / "examples" / f"{name}.yaml"
        pipeline.write_text(pipeline.read_text().replace("flight_delays/data/", f"s3://{bucket}/flights/"))
    languages = folder / "examples" / "other_languages" / "pipeline.yaml"
    languages.write_text(languages.read_text().replace("ml/stage:1.0", cluster.image))
    shutil.copytree(HERE / "dags", folder / "cases", ignore=ignore)
    watched = shutil.copytree(ROOT / "tests/integration/dags/watched", folder / "cases" / "watched", ignore=ignore)
    text = (watched / "pipeline.yaml").read_text().replace("engine: light", "engine: evidently")
    (watched / "pipeline.yaml").write_text(text)
    server = AirflowServer(
        home=tmp_path_factory.mktemp("airflow"),
        dags_folder=folder,
        environment={
            **s3.variables(s3.here),
            "AIRFLOW__ML__STORE": f"s3://{bucket}/store",
            "AIRFLOW__ML__ALLOWED_URIS": f"s3://{bucket}/flights/",
            "ML_TEST_SHARED_VOLUME": str(shared_volume),
            "ML_TEST_BUCKET": bucket,
            "AIRFLOW__CORE__PARALLELISM": "6",
            "AIRFLOW__ML__RUNNER": "kubernetes",
            # What deferrable stages do in a triggerer is seen without waiting for it.
            "AIRFLOW__ML__DEFER_AFTER": "0",
            "AIRFLOW__ML__IMAGE": cluster.image,
            "AIRFLOW__ML__NAMESPACE": kubernetes.namespace,
            "AIRFLOW__ML__POD_TEMPLATE": str(pod_template),
            "AIRFLOW_CONN_KUBERNETES_DEFAULT": kubernetes_connection(kubernetes.kubeconfig_of("airflow")),
            "AIRFLOW_CONN_KUBERNETES_NOBODY": kubernetes_connection(nobody),
            "AIRFLOW_CONN_KUBERNETES_PROXIED": kubernetes_connection(api_proxy.kubeconfig),
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "30",
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "3",
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_SEC": "3",
            "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "2",
            "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
            "AIRFLOW_CONN_MLFLOW_DEFAULT": json.dumps(
                {
                    "conn_type": "mlflow",
                    "host": f"http://{cluster.host}:{pod_mlflow.port}",
                    "login": "ada",
                    "password": mlflow_password,
                }
            ),
        },
    )
    # On the shared volume workers and pods, which run as other users here, write into each other's folders.
    umask = os.umask(0)
    with server as api:
        os.umask(umask)
        yield Airflow(api, f"s3://{bucket}/store", server)
