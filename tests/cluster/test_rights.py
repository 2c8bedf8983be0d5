"""The rights that ``airflow-ml manifests`` grants: all other tests here run under them, and none can be left out."""

import shutil
import subprocess
import sys
import uuid
from pathlib import Path

import pytest
import yaml
from kubernetes import client, config

from airflow_ml_provider.cli.admin.manifests import ROLE, manifests
from airflow_ml_provider.decisions.cluster_rights import RULES, flag_of, rules_of
from airflow_ml_provider.errors import ClusterForbiddenError
from airflow_ml_provider.hooks.cluster_errors import cluster_error
from airflow_ml_provider.hooks.inference_services import InferenceServices
from airflow_ml_provider.hooks.jobs import create_job
from airflow_ml_provider.hooks.pods import Pods
from airflow_ml_provider.hooks.serving_objects import ServingObjects

GRANTED = [(verb, resource) for rule in rules_of(RULES) for resource in rule["resources"] for verb in rule["verbs"]]
POD = {"metadata": {"name": "x"}, "spec": {"containers": [{"name": "base", "image": "busybox:stable"}]}}


def log(pods):
    try:
        pods.log("x", container="base", since=None, follow=False)
    except client.ApiException as error:
        raise cluster_error(error, "get", "pods/log", f"{pods.namespace}/x") from error


def job(namespace):
    template = {"spec": {**POD["spec"], "restartPolicy": "Never"}}
    return client.V1Job(metadata=client.V1ObjectMeta(name="x", namespace=namespace), spec={"template": template})


def objects(pods):
    return ServingObjects(pods._client, namespace=pods.namespace)


def on_kserve(pods):
    return InferenceServices(pods._client, namespace=pods.namespace)


def deployment(pods):
    labels = {"a": "b"}
    template = {"metadata": {"labels": labels}, "spec": POD["spec"]}
    return client.V1Deployment(
        metadata=client.V1ObjectMeta(name="x"), spec={"selector": {"matchLabels": labels}, "template": template}
    )


NAMED = {"metadata": {"name": "x", "uid": "u", "resourceVersion": "1"}}
SERVICE = client.V1Service(metadata=client.V1ObjectMeta(name="x"), spec={"ports": [{"port": 80}]})
AUTOSCALER = client.V2HorizontalPodAutoscaler(
    metadata=client.V1ObjectMeta(name="x"),
    spec=client.V2HorizontalPodAutoscalerSpec(
        max_replicas=1,
        scale_target_ref=client.V2CrossVersionObjectReference(api_version="apps/v1", kind="Deployment", name="x"),
    ),
)


def changed_autoscaler(pods):
    objects(pods).put_autoscaler(AUTOSCALER)
    objects(pods).put_autoscaler(AUTOSCALER)


CALLS = {
    ("create", "pods"): lambda pods: pods.create(
        client.V1Pod(metadata=client.V1ObjectMeta(name="x"), spec=POD["spec"])
    ),
    ("delete", "pods"): lambda pods: pods.delete("x"),
    ("list", "pods"): lambda pods: pods.read("x"),
    ("watch", "pods"): lambda pods: next(pods.watch_one("x", "0")),
    ("get", "pods/log"): log,
    ("list", "events"): lambda pods: pods.events("x"),
    ("create", "jobs"): lambda pods: create_job(pods._client, job(pods.namespace)),
    ("get", "services"): lambda pods: objects(pods).service("x"),
    ("create", "services"): lambda pods: objects(pods).create_service(SERVICE),
    ("patch", "services"): lambda pods: objects(pods).change_service("x", {"metadata": {"annotations": {"a": "b"}}}),
    ("delete", "services"): lambda pods: objects(pods).delete_service("x", version=""),
    ("list", "deployments"): lambda pods: objects(pods).deployments("a=b"),
    ("create", "deployments"): lambda pods: objects(pods).create_deployment(deployment(pods)),
    ("patch", "deployments"): lambda pods: objects(pods).scale("x", 2),
    ("delete", "deployments"): lambda pods: objects(pods).delete_deployment("x"),
    ("list", "horizontalpodautoscalers"): lambda pods: objects(pods).autoscalers("a=b"),
    ("create", "horizontalpodautoscalers"): lambda pods: objects(pods).put_autoscaler(AUTOSCALER),
    ("patch", "horizontalpodautoscalers"): changed_autoscaler,
    ("delete", "horizontalpodautoscalers"): lambda pods: objects(pods).delete_autoscaler("x"),
    ("get", "inferenceservices"): lambda pods: on_kserve(pods).service("x"),
    ("create", "inferenceservices"): lambda pods: on_kserve(pods).create_service({"metadata": {"name": "x"}}),
    ("update", "inferenceservices"): lambda pods: on_kserve(pods).replace_service(NAMED),
    ("delete", "inferenceservices"): lambda pods: on_kserve(pods).delete_service(NAMED),
    ("get", "configmaps"): lambda pods: on_kserve(pods).config_map("x"),
    ("create", "configmaps"): lambda pods: on_kserve(pods).create_config_map({"metadata": {"name": "x"}}),
    ("update", "configmaps"): lambda pods: on_kserve(pods).replace_config_map(NAMED),
    ("delete", "configmaps"): lambda pods: on_kserve(pods).delete_config_map("x", version=""),
}


def test_a_call_is_known_for_every_right():
    assert set(CALLS) == set(GRANTED)


@pytest.mark.parametrize(("verb", "resource"), GRANTED)
def test_a_missing_right_is_named_with_its_remedy(kubernetes, verb, resource):
    account = f"without-{verb}-{resource.replace('/', '-')}"
    role = f"{ROLE}-{account}"
    namespace = kubernetes.namespace
    printed = manifests(namespace, accounts=[account], uses=RULES)
    documents = []
    for document in yaml.safe_load_all(printed):
        if document["kind"] == "Role":
            document["rules"] = [
                {**rule, "verbs": [other for other in rule["verbs"] if (other, resource) != (verb, resource)]}
                if resource in rule["resources"]
                else rule
                for rule in document["rules"]
            ]
            document["rules"] = [rule for rule in document["rules"] if rule["verbs"]]
            document["metadata"]["name"] = role
        elif document["kind"] == "RoleBinding":
            document["metadata"]["name"] = document["roleRef"]["name"] = role
        elif document["kind"] != "ServiceAccount" or document["metadata"]["name"] != account:
            continue
        documents.append(document)
    kubernetes.apply(yaml.safe_dump_all(documents))
    client_of = config.new_client_from_config_dict(kubernetes.kubeconfig_of(account))
    pods = Pods(client.CoreV1Api(client_of), namespace=namespace)
    with pytest.raises(
        ClusterForbiddenError,
        match=rf"refused to {verb} {resource} .* airflow-ml manifests --namespace [^ ]+{flag_of(resource)} \|",
    ):
        CALLS[verb, resource](pods)


def test_the_manifests_are_applied_as_the_page_says(cluster, kubernetes):
    page = Path(__file__).parents[2] / "docs" / "how-to" / "run-on-your-cluster.md"
    (line,) = [line.strip() for line in page.read_text().splitlines() if "| kubectl apply" in line]
    shared = Path(__file__).parents[3] / "shared" / "cluster" / "cluster"
    kubectl = shutil.which("kubectl") or f"{shared} kubectl"
    namespace = f"ml-{uuid.uuid4().hex[:8]}"
    line = line.replace("--namespace ml ", f"--namespace {namespace} ").replace("kubectl", kubectl)
    # Where Airflow itself runs.
    line = line.replace("--account-namespace airflow", f"--account-namespace {kubernetes.namespace}")
    try:
        command = f"set -o pipefail; {Path(sys.executable).parent}/{line}"
        done = subprocess.run(
            ["bash", "-c", command],
            env={"KUBECONFIG": str(cluster.kubeconfig), "PATH": "/usr/bin:/bin", "HOME": str(Path.home())},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert f"namespace/{namespace} created" in done.stdout
        assert "rolebinding.rbac.authorization.k8s.io/airflow-ml created" in done.stdout
    finally:
        kubernetes.api.delete_namespace(namespace)
