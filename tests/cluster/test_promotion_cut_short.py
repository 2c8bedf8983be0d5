"""A promotion that is killed before each of its steps, on a real cluster and a real registry, under requests."""

import json
import multiprocessing

import pytest
from mlflow import MlflowClient

from airflow_ml_provider.decisions.serving.rollout import Serving
from airflow_ml_provider.testing.airflow_api import wait_until
from tests.live.promoter import Place, deployment_target, run
from tests.live.traffic import Traffic, answers

NAME = "cut-short"
LAST_STEP = 40


@pytest.fixture(scope="module")
def place(cluster, kubernetes, pod_mlflow):
    registry = MlflowClient(pod_mlflow.uri)
    registry.create_registered_model(NAME)
    run = registry.create_run("0").info
    for _ in (1, 2):
        registry.create_model_version(NAME, f"{run.artifact_uri}/model", run_id=run.run_id)
    return Place(str(cluster.kubeconfig), kubernetes.namespace, cluster.image, NAME)


@pytest.fixture(scope="module")
def promoted(place, kubernetes, pod_mlflow, tmp_path_factory):
    """Promotes in a process of its own; returns its exit code."""
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["tests.live.promoter"])
    patch = pytest.MonkeyPatch()
    connection = json.dumps({"conn_type": "mlflow", "host": pod_mlflow.uri})
    patch.setenv("AIRFLOW_CONN_MLFLOW_DEFAULT", connection)
    patch.setenv("AIRFLOW_HOME", str(tmp_path_factory.mktemp("promoter")))

    def promote(version, *, end_before=0, refuse_at=None, broken=False):
        process = processes.Process(target=run, args=(place, version, end_before, refuse_at, broken))
        process.start()
        process.join(180)
        assert process.exitcode is not None, "the promotion did not end in 180 s"
        return process.exitcode

    assert promote("1") == 0
    wait_until(lambda: answers(address(kubernetes)), what=f"the first answer of {NAME}", seconds=30)
    yield promote
    patch.undo()


def address(kubernetes):
    service = kubernetes.api.read_namespaced_service(NAME, kubernetes.namespace)
    return f"http://{service.spec.cluster_ip}"


def aliases(pod_mlflow):
    return MlflowClient(pod_mlflow.uri).get_registered_model(NAME).aliases


def test_killed_before_any_step_a_retry_ends_in_the_new_state_and_no_request_is_lost(
    promoted, place, kubernetes, pod_mlflow
):
    target = deployment_target(place)
    serves, wants = "1", "2"
    decided = []
    with Traffic(address(kubernetes), body={}) as traffic:
        for step in range(1, LAST_STEP):
            code = promoted(wants, end_before=step)
            if code == 0:
                break
            assert code == -9, f"step {step}"
            cut = target.read()
            forward = cut.decided or cut.stable.version == wants
            decided.append(forward)
            assert aliases(pod_mlflow)["champion"] in ({wants, serves} if forward else {serves})
            assert promoted(wants) == 0
            served = target.read()
            assert served == Serving(stable=served.stable), f"step {step}"
            assert served.stable.version == wants
            assert aliases(pod_mlflow) == {"champion": wants}
            there = target._objects.deployments(f"airflow-ml/endpoint={NAME}")
            assert [one["metadata"]["labels"]["airflow-ml/revision"] for one in there] == [served.stable.name]
            serves, wants = wants, serves
        else:
            raise AssertionError(f"there is no step {LAST_STEP}")
        seen = sum(traffic.answers.values())
        wait_until(lambda: sum(traffic.answers.values()) > seen + 900, what="requests after the last", seconds=60)
    assert step > 15
    assert decided == sorted(decided)
    assert {False, True} == set(decided)
    assert traffic.lost == {}


def test_another_version_first_undoes_what_was_cut_short(promoted, place, pod_mlflow):
    before = deployment_target(place).read()
    other = "2" if before.stable.version == "1" else "1"
    for step in (6, 9):
        assert promoted(other, end_before=step) == -9
        assert deployment_target(place).read().candidate.version == other
        assert promoted(before.stable.version) == 0
        assert deployment_target(place).read() == before
        assert aliases(pod_mlflow) == {"champion": before.stable.version}


def test_what_does_not_serve_is_put_back_and_no_request_is_lost(promoted, place, kubernetes, pod_mlflow):
    target = deployment_target(place)
    before = target.read()
    other = "2" if before.stable.version == "1" else "1"
    with Traffic(address(kubernetes), body={}) as traffic:
        for wrong in ({"refuse_at": 100}, {"broken": True}):
            assert promoted(other, **wrong) == 1
            assert target.read() == before
            assert aliases(pod_mlflow) == {"champion": before.stable.version}
        seen = sum(traffic.answers.values())
        wait_until(lambda: sum(traffic.answers.values()) > seen + 900, what="requests after that", seconds=60)
    assert traffic.lost == {}
