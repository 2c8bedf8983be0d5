"""A promotion on KServe: real pods and a real registry, and a controller that moves them as KServe's sources do."""

import json
import multiprocessing

import pytest
from mlflow import MlflowClient

from airflow_ml_provider.decisions.serving.rollout import Serving
from airflow_ml_provider.errors import StageConfigurationError
from airflow_ml_provider.testing.airflow_api import wait_until
from tests.live.kserve import KServe, Resources
from tests.live.promoter import Place, kserve_target, run
from tests.live.traffic import Traffic, answers

NAME, KNATIVE_NAME = "on-kserve", "on-knative"
LAST_STEP = 40


@pytest.fixture(scope="module")
def kserve(cluster, kubernetes):
    resources = Resources(cluster.kubeconfig)
    with (
        # It lets InferenceServices go when their kind goes.
        KServe(cluster.kubeconfig, kubernetes.namespace) as controller,
        resources.having("serving.kserve.io", "inferenceservices", "InferenceService"),
    ):
        yield controller


@pytest.fixture(scope="module")
def knative(cluster, kserve):
    with Resources(cluster.kubeconfig).having("serving.knative.dev", "services", "Service"):
        yield
    assert not kserve.refused


@pytest.fixture
def promoter(cluster, kubernetes, pod_mlflow, tmp_path, monkeypatch):
    """Promotes in a process of its own; returns its exit code."""
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["tests.live.promoter"])
    connection = json.dumps({"conn_type": "mlflow", "host": pod_mlflow.uri})
    monkeypatch.setenv("AIRFLOW_CONN_MLFLOW_DEFAULT", connection)
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    registry = MlflowClient(pod_mlflow.uri)

    def at(name, steps):
        registry.create_registered_model(name)
        made = registry.create_run("0").info
        for _ in (1, 2):
            registry.create_model_version(name, f"{made.artifact_uri}/model", run_id=made.run_id)
        place = Place(str(cluster.kubeconfig), kubernetes.namespace, cluster.image, name)

        def promote(version, *, end_before=0, refuse_at=None, broken=False):
            arguments = (place, version, end_before, refuse_at, broken, kserve_target, steps)
            process = processes.Process(target=run, args=arguments)
            process.start()
            process.join(180)
            assert process.exitcode is not None, "the promotion did not end in 180 s"
            return process.exitcode

        return promote, kserve_target(place, canary=steps)

    return at


def champion(pod_mlflow, name):
    return MlflowClient(pod_mlflow.uri).get_registered_model(name).aliases["champion"]


def spec(kserve, name):
    predictor = kserve.get(name)["spec"]["predictor"]
    return predictor["labels"]["airflow-ml/revision"].partition("-")[0], predictor.get("canaryTrafficPercent")


def requests(kserve, name):
    return [one["percent"] for one in kserve.get(name)["status"]["components"]["predictor"]["traffic"]]


def test_without_knative_a_model_takes_over_and_is_put_back_and_no_request_is_lost(
    kserve, promoter, kubernetes, pod_mlflow
):
    promote, target = promoter(NAME, (100,))
    assert promote("1") == 0
    service = kubernetes.api.read_namespaced_service(f"{NAME}-predictor", kubernetes.namespace)
    address = f"http://{service.spec.cluster_ip}"
    wait_until(lambda: answers(address), what="the first answer", seconds=30)
    with Traffic(address, body={}) as traffic:
        assert promote("2") == 0
        assert (spec(kserve, NAME), champion(pod_mlflow, NAME)) == (("v2", None), "2")
        assert promote("1", refuse_at=100) == 1
        assert target.read() == Serving(stable=target.read().stable)
        assert (spec(kserve, NAME), champion(pod_mlflow, NAME)) == (("v2", None), "2")
        seen = sum(traffic.answers.values())
        wait_until(lambda: sum(traffic.answers.values()) > seen + 900, what="requests after that", seconds=60)
    assert traffic.lost == {}
    assert {"[1]", "[2]"} == set(traffic.answers)
    assert kserve.names() == [NAME]


def test_without_knative_there_are_no_parts(kserve, promoter):
    _, target = promoter("no-parts", (10, 100))
    with pytest.raises(StageConfigurationError, match="canary .10, 100.: without Knative KServe shares no requests"):
        target.read()


def test_an_inference_service_that_is_not_ours_is_left_alone(kserve, promoter):
    promote, target = promoter("somebodys", (100,))
    kserve.create({"metadata": {"name": "somebodys"}, "spec": {"predictor": {"model": {}}}})
    with pytest.raises(StageConfigurationError, match="somebodys is there, and no serve stage made it"):
        target.read()
    assert promote("1") == 1
    assert kserve.get("somebodys")["spec"] == {"predictor": {"model": {}}}
    kserve.delete("somebodys")


def test_on_knative_killed_before_any_change_a_retry_ends_in_the_new_state(kserve, knative, promoter, pod_mlflow):
    promote, target = promoter(KNATIVE_NAME, (50, 100))
    assert promote("1") == 0
    serves, wants = "1", "2"
    decided = []
    for step in range(1, LAST_STEP):
        code = promote(wants, end_before=step)
        if code == 0:
            break
        assert code == -9, f"step {step}"
        cut = target.read()
        forward = cut.decided or cut.stable.version == wants
        decided.append(forward)
        assert champion(pod_mlflow, KNATIVE_NAME) in ({wants, serves} if forward else {serves})
        assert promote(wants) == 0
        assert target.read() == Serving(stable=target.read().stable), f"step {step}"
        assert target.read().stable.version == wants
        assert champion(pod_mlflow, KNATIVE_NAME) == wants
        assert spec(kserve, KNATIVE_NAME) == (f"v{wants}", None), f"step {step}"
        assert requests(kserve, KNATIVE_NAME) == [100]
        serves, wants = wants, serves
    else:
        raise AssertionError(f"there is no step {LAST_STEP}")
    assert step > 8
    assert decided == sorted(decided)
    assert {False, True} == set(decided)


@pytest.mark.parametrize("wrong", [{"refuse_at": 50}, {"refuse_at": 100}, {"broken": True}])
def test_on_knative_what_does_not_serve_is_put_back(kserve, knative, promoter, pod_mlflow, wrong):
    name = f"{KNATIVE_NAME}-{next(iter(wrong.values()))}".lower()
    promote, target = promoter(name, (50, 100))
    assert promote("1") == 0
    assert promote("2", **wrong) == 1
    assert target.read() == Serving(stable=target.read().stable)
    assert target.read().stable.version == champion(pod_mlflow, name) == "1"
    assert spec(kserve, name) == ("v1", None)
    assert requests(kserve, name) == [100]
    shares = [parts["v1"] for parts in kserve.parts[name] if parts]
    assert min(shares) == (100 if wrong.get("broken") else 100 - min(wrong["refuse_at"], 99))
    if wrong.get("broken"):
        # Its pods are still there, and are not those of the next try.
        assert promote("2") == 0
        assert requests(kserve, name) == [100]
