"""The predictor of a serve stage: what Knative admits, and what KServe passes on."""

from datetime import timedelta

import pytest
from airflow.providers.cncf.kubernetes.secret import Secret

from airflow_ml_provider.decisions.serving.kserve import Ask
from airflow_ml_provider.decisions.serving.rollout import Revision
from airflow_ml_provider.operators import ServeOperator
from airflow_ml_provider.pod.predictor import (
    asked_mode,
    asking,
    changed,
    counts,
    inference_service,
    predictor,
    runs_on_knative,
)
from airflow_ml_provider.pod.server import server_deployment
from airflow_ml_provider.protocol.request import StageRequest
from tests.live.kserve_rules import refused_by_knative, refused_by_kserve

REVISION = Revision("v3-abc", "line", "3")


def request(**changes):
    values = {
        "kind": "serve",
        "pipeline": "flights",
        "stage": "serve",
        "dag_run": "",
        "attempt": "_serving",
        "attempt_uri": "s3://store/_serving/line",
        "body": "serve",
        "options": {"model": {"name": "line", "version": "3"}},
    }
    return StageRequest(**{**values, **changes})


def made(*, knative, autoscale=None, asked=None, **arguments):
    operator = ServeOperator(
        task_id="serve",
        model={"name": "line", "version": "3"},
        target="kserve",
        image="ml/stage:1",
        mlflow_conn_id="mlflow_default",
        container_resources={"requests": {"cpu": "1", "memory": "2Gi"}},
        secrets=[Secret("env", "TOKEN", "model-store", "token"), Secret("volume", "/keys", "keys")],
        **arguments,
    )
    pod = operator.build_pod_request_obj(dry_run=True)
    deployment = server_deployment(
        pod,
        asked or request(),
        endpoint="line",
        revision=REVISION,
        replicas=2,
        container=operator.base_container_name,
        start_seconds=timedelta(minutes=5).total_seconds(),
        labels={"team": "ml"},
    )
    return predictor(
        deployment,
        container=operator.base_container_name,
        knative=knative,
        autoscale=autoscale,
        start_seconds=300,
    )


@pytest.mark.parametrize("asked", [request(), request(command=("python", "server.py"))])
def test_knative_admits_it(asked):
    found = made(knative=True, asked=asked)
    assert refused_by_knative(found) == ""
    (container,) = found["containers"]
    assert container["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["livenessProbe"]["initialDelaySeconds"] == 300
    assert found["annotations"]["serving.knative.dev/progress-deadline"] == "300s"
    assert found["labels"] == {"team": "ml", "airflow-ml/endpoint": "line", "airflow-ml/revision": "v3-abc"}


def test_what_the_tests_knative_refuses():
    assert "terminationGracePeriodSeconds" in refused_by_knative(made(knative=False))
    assert "containers.startupProbe" in refused_by_knative(made(knative=False))
    command = made(knative=False, asked=request(command=("python", "server.py")))
    assert "env PORT" in refused_by_knative(command)
    assert "containers.lifecycle" in refused_by_knative(command)


def test_without_knative_it_is_the_pod_of_a_deployment():
    found = made(knative=False)
    (container,) = found["containers"]
    assert container["name"] == "kserve-container"
    assert container["image"] == "ml/stage:1"
    assert container["ports"] == [{"containerPort": 8080, "protocol": "TCP"}]
    assert container["resources"]["requests"] == {"cpu": "1", "memory": "2Gi"}
    assert [one["name"] for one in container["env"] if "valueFrom" in one] == ["TOKEN"]
    assert found["securityContext"]["runAsNonRoot"] is True
    assert found["terminationGracePeriodSeconds"] == 60


@pytest.mark.parametrize(
    ("autoscale", "said"),
    [
        (None, {"minReplicas": 2, "maxReplicas": 2, "scaleMetric": None, "scaleTarget": None}),
        ({"max": 9, "cpu": 70}, {"minReplicas": 2, "maxReplicas": 9, "scaleMetric": "cpu", "scaleTarget": 70}),
    ],
)
@pytest.mark.parametrize("knative", [True, False])
def test_how_many_servers_there_are(autoscale, said, knative):
    found = made(knative=knative, autoscale=autoscale)
    assert counts(found) == said
    service = inference_service("line", namespace="ml", endpoint="line", mode="Standard", predictor=found)
    assert refused_by_kserve(service) == ""
    plain = {**found, "scaleMetric": None}
    assert "autoscaling.knative.dev/class" not in changed(service, predictor=plain)["metadata"]["annotations"]


@pytest.mark.parametrize("mode", ["Knative", "Standard"])
def test_the_mode_is_called_as_kserve_calls_it_once_it_has(mode):
    asked = asked_mode(knative=mode == "Knative")
    service = inference_service("line", namespace="ml", endpoint="line", mode=asked, predictor=made(knative=True))
    service["status"] = {"deploymentMode": mode}
    assert "cannot be changed" in refused_by_kserve(service)
    assert refused_by_kserve(changed(service, predictor=service["spec"]["predictor"])) == ""
    assert runs_on_knative(service) == (mode == "Knative")


def test_a_candidate_next_to_is_asked_inside_the_cluster_only():
    visibility = "networking.kserve.io/visibility"
    for name, seen in (("line", None), ("line-next", "cluster-local")):
        found = inference_service(name, namespace="ml", endpoint="line", mode="Standard", predictor={})
        assert found["metadata"]["labels"].get(visibility) == seen


def test_a_part_of_the_requests_is_asked_for_and_taken_back():
    found = made(knative=True)
    asked = asking(found, Ask("v3-abc", 0, mark="7"))
    assert (asked["canaryTrafficPercent"], asked["labels"]["airflow-ml/put-back"]) == (0, "7")
    assert asking(asked, Ask("v3-abc", None)) == found
    assert "canaryTrafficPercent" not in found
