"""The whole loop on a real cluster: a first champion, a worse model, a drifted month that retrains by itself."""

import json
import re

import fsspec
import httpx

from airflow_ml_provider.testing.airflow_api import wait_until
from demo.loop import FLIGHT
from tests.live.traffic import Traffic

LOOP, WATCH, NAME, ENDPOINT = "flight_loop", "flight_watch", "flight_loop", "flight-loop"


def runs(airflow):
    return [run["dag_run_id"] for run in airflow.api.get(f"/dags/{LOOP}/dagRuns", order_by="run_after")["dag_runs"]]


def approved(airflow, run):
    """Wait for the question of a run, and say yes."""

    def states():
        return {name: task["state"] for name, task in airflow.api.tasks(LOOP, run).items()}

    def asked():
        failed = [name for name, state in states().items() if state == "failed"]
        assert not failed, airflow.api.log(LOOP, run, failed[0])
        return states().get("approve") == "awaiting_input"

    wait_until(asked, what="the question", seconds=300)
    seen = f"task_id='approve', run_id='{run}'"
    wait_until(lambda: has_ended(airflow, seen), what="the scheduler to see the question", seconds=60)
    address = f"/api/v2/dags/{LOOP}/dagRuns/{run}/taskInstances/approve/-1/hitlDetails"
    body = {"chosen_options": ["Approve"], "params_input": {"reason": "it is better"}}
    httpx.patch(f"{airflow.server.url}{address}", json=body, headers=airflow.api.headers).raise_for_status()
    assert airflow.api.wait_for_run(LOOP, run, seconds=240) == "success", airflow.api.log(LOOP, run, "serve")


def has_ended(airflow, seen):
    # Faults begin another scheduler, with a log of its own.
    logs = (airflow.server.log, *airflow.server.home.glob("scheduler-*.log"))
    lines = [line for log in logs for line in log.read_text(errors="replace").splitlines()]
    return any("Received executor event" in line and seen in line for line in lines)


def test_from_flights_to_a_champion_and_again_when_they_drift(airflow, kubernetes, mlflow, bucket):
    quarter, july = (f"s3://{bucket}/flights/flights-2013-{month}.csv" for month in ("0[1-3]", "07"))
    for dag in (LOOP, WATCH):
        airflow.api.wait_for_dag(dag)

    def serves():
        service = kubernetes.api.read_namespaced_service(ENDPOINT, kubernetes.namespace)
        return service.spec.cluster_ip, json.loads(service.metadata.annotations["airflow-ml/serving"])

    first = airflow.api.trigger(LOOP, conf={"data": quarter})
    approved(airflow, first)
    address, state = serves()
    assert (state["stable"]["version"], state["candidate"]) == ("1", None)
    assert mlflow.aliases(NAME) == {"champion": "1"}

    with Traffic(f"http://{address}", body={"dataframe_records": [FLIGHT]}, rate=8) as traffic:
        wait_until(lambda: sum(traffic.answers.values()) > 50, what="answers", seconds=60)
        (answer,) = traffic.answers
        assert -30 < json.loads(answer)[0] < 60

        worse = airflow.api.trigger(LOOP, conf={"data": quarter, "max_iter": 1})
        assert airflow.api.wait_for_run(LOOP, worse, seconds=300) == "failed"
        gate = airflow.api.xcom(LOOP, worse, "evaluate", "gate")
        assert re.search(r"rmse is [\d.]+, that of flight_loop [\d.]+.*not at most 0.3% worse", str(gate["reasons"]))
        assert airflow.api.tasks(LOOP, worse)["register"]["state"] == "upstream_failed"
        assert (serves()[1], mlflow.aliases(NAME)) == (state, {"champion": "1"})

        watched = airflow.api.trigger(WATCH, conf={"lately": july})
        assert airflow.api.wait_for_run(WATCH, watched, seconds=240) == "success"
        assert set(airflow.api.xcom(WATCH, watched, "monitor", "drift")["drifted"]) == {
            "dep_delay",
            "scheduled_minutes",
        }
        wait_until(lambda: len(runs(airflow)) == 3, what="a run that drift started", seconds=60)
        (retrained,) = set(runs(airflow)) - {first, worse}
        approved(airflow, retrained)
        wait_until(lambda: len(traffic.answers) > 1, what="an answer of the new model", seconds=30)
    assert traffic.lost == {}
    steps = airflow.api.xcom(LOOP, retrained, "serve", "canary")
    assert [step["percent"] for step in steps] == [50, 100]
    assert min(step["requests"] for step in steps) > 20
    assert fsspec.filesystem("s3").glob(f"{airflow.store}/_requests/{ENDPOINT}/*/*.requests.parquet")
    _, state = serves()
    assert (state["stable"]["version"], state["candidate"]) == ("2", None)
    assert mlflow.aliases(NAME) == {"champion": "2"}

    # MLflow's registry leads from what serves back to the data.
    (version,) = [found for found in mlflow.versions(NAME) if found["version"] == state["stable"]["version"]]
    tags = {tag["key"].removeprefix("airflow_ml."): tag["value"] for tag in version["tags"]}
    assert tags["endpoint"] == f"http://{ENDPOINT}.{kubernetes.namespace}.svc"
    assert (tags["dag_run"], tags["approval"], tags["stage"]) == (retrained, "approved", "train")
    assert tags["data"] == "{uri}@{digest}".format(**airflow.api.xcom(LOOP, retrained, "ingest", "data"))
    assert version["description"].startswith("# flight_loop: model")
