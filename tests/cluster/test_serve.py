"""A model served on a real cluster: the first, a better one under traffic, and those that are put back."""

import json
import re

import pytest
from kubernetes import client

from airflow_ml_provider.testing.airflow_api import wait_until
from tests.live.traffic import Traffic

DAG, NAME = "served", "line"
BODY = {"dataframe_split": {"columns": ["x"], "data": [[1.0]]}}


@pytest.fixture(scope="module")
def apps(kubernetes):
    return client.AppsV1Api(kubernetes.api.api_client)


def run_of(airflow, **conf):
    airflow.api.wait_for_dag(DAG)
    return airflow.api.trigger(DAG, conf=conf)


def ended(airflow, run, *, state="success", seconds=240):
    found = airflow.api.wait_for_run(DAG, run, seconds=seconds)
    assert found == state, airflow.api.log(DAG, run, "serve")


def service(kubernetes):
    return kubernetes.api.read_namespaced_service(NAME, kubernetes.namespace)


def url(kubernetes):
    return f"http://{service(kubernetes).spec.cluster_ip}"


def state(kubernetes):
    return json.loads(service(kubernetes).metadata.annotations["airflow-ml/serving"])


def deployments(apps, kubernetes):
    found = apps.list_namespaced_deployment(kubernetes.namespace, label_selector=f"airflow-ml/endpoint={NAME}")
    return sorted(one.metadata.name for one in found.items)


@pytest.fixture(scope="module")
def first(airflow, kubernetes):
    run = run_of(airflow, slope=2)
    ended(airflow, run)
    return run


def test_the_first_model_is_served_and_champion(airflow, kubernetes, apps, mlflow, first):
    served = state(kubernetes)
    assert served["stable"]["version"] == "1"
    assert (served["candidate"], served["percent"]) == (None, 0)
    assert mlflow.aliases(NAME) == {"champion": "1"}
    assert deployments(apps, kubernetes) == [f"{NAME}-{served['stable']['name']}"]
    endpoint = airflow.api.xcom(DAG, first, "serve", "endpoint")
    assert endpoint["url"] == f"http://{NAME}.{kubernetes.namespace}.svc"
    with Traffic(url(kubernetes), body=BODY) as traffic:
        wait_until(lambda: traffic.answers["[2.0]"] > 20, what="20 answers", seconds=30)
    assert traffic.lost == {}


def test_a_better_model_takes_over_and_no_request_is_lost(airflow, kubernetes, apps, mlflow, first):
    with Traffic(url(kubernetes), body=BODY) as traffic:
        run = run_of(airflow, slope=3)
        ended(airflow, run)
        before = traffic.answers["[3.0]"]
        wait_until(lambda: traffic.answers["[3.0]"] > before + 100, what="answers of the new model", seconds=30)
    assert traffic.lost == {}
    served = state(kubernetes)
    assert (served["stable"]["version"], served["candidate"]) == ("2", None)
    assert mlflow.aliases(NAME) == {"champion": "2"}
    assert deployments(apps, kubernetes) == [f"{NAME}-{served['stable']['name']}"]
    steps = airflow.api.xcom(DAG, run, "serve", "canary")
    assert [step["percent"] for step in steps] == [30, 100]
    assert steps[0]["requests"] > steps[0]["stable_requests"] * 0.1 > 0
    assert all(step["error_rate"] == 0 for step in steps)
    (version,) = [found for found in mlflow.versions(NAME) if found["version"] == "2"]
    tags = {tag["key"]: tag["value"] for tag in version["tags"]}
    assert tags["airflow_ml.endpoint"] == airflow.api.xcom(DAG, run, "serve", "endpoint")["url"]


@pytest.mark.parametrize(
    ("manner", "told"),
    [
        (
            "crashes",
            "do not start: pod .* it ends again and again, last with exit code 7\n.*no weights on this machine",
        ),
        ("wrong", r"predictions\[0\] is 5.0, the model itself gives 4.0"),
        ("slow", r"the guard does not hold with 30 % .*p95_seconds is [\d.]+, not < 0.6"),
    ],
)
def test_what_does_not_serve_well_is_put_back_and_no_request_is_lost(
    airflow, kubernetes, apps, mlflow, first, manner, told
):
    before, aliases, names = state(kubernetes), mlflow.aliases(NAME), deployments(apps, kubernetes)
    with Traffic(url(kubernetes), body=BODY) as traffic:
        run = run_of(airflow, slope=4, manner=manner)
        ended(airflow, run, state="failed")
        count = sum(traffic.answers.values())
        wait_until(lambda: sum(traffic.answers.values()) > count + 300, what="answers after that", seconds=60)
    assert re.search(told, airflow.api.log(DAG, run, "serve"), re.DOTALL), airflow.api.log(DAG, run, "serve")
    assert traffic.lost == {}
    assert state(kubernetes) == before
    assert mlflow.aliases(NAME)["champion"] == aliases["champion"]
    assert deployments(apps, kubernetes) == names
    assert "Rolled back" in airflow.api.log(DAG, run, "serve")


def test_what_is_served_already_takes_no_pod(airflow, kubernetes, first):
    served = state(kubernetes)["stable"]
    run = run_of(airflow, slope=3)
    ended(airflow, run)
    assert state(kubernetes)["stable"] == served
    assert airflow.api.xcom(DAG, run, "serve", "endpoint")["revision"] == served["name"]
    assert "serves version 2 already" in airflow.api.log(DAG, run, "serve")
    assert kubernetes.pods(run=run, stage="serve") == []
