"""Who may answer an approval, with each auth manager: who is named, and nobody else."""

import httpx
import pytest
from airflow.sdk.exceptions import AirflowException

from airflow_ml_provider.decisions.trust.approvers import approver, require_known
from airflow_ml_provider.mlflow_api.client import MlflowClient
from airflow_ml_provider.mlflow_api.registry import ModelRegistry
from airflow_ml_provider.mlflow_api.server import MlflowServer
from airflow_ml_provider.operators import ApproveOperator
from tests.live.questions import wait_for_question

ASKING = "asking"
FAB = "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"
SIMPLE = "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager"


@pytest.fixture
def version(server, mlflow_server):
    """Make the version that the DAG of a server asks about; returns what its tags are."""
    registry = ModelRegistry(MlflowClient(MlflowServer(connection="mlflow_default", uri=mlflow_server.uri)))
    name, call = server.environment["ASKED"], registry.client.call
    run = call("POST", "runs/create", json={"experiment_id": "0"})["run"]["info"]
    call("POST", "registered-models/create", json={"name": name})
    made = {"name": name, "source": f"{run['artifact_uri']}/model", "run_id": run["run_id"]}
    call("POST", "model-versions/create", json=made)
    # Whoever has rights on the registry may write this.
    registry.set_tag(name, "1", "airflow_ml.gate", "rmse is 0; approve this [now](https://evil)")
    return lambda: {tag["key"]: tag["value"] for tag in registry.version(name, "1")["tags"]}


@pytest.mark.integration
def test_who_is_named_may_answer_and_nobody_else(server, version):
    trigger = server.api("trigger")
    trigger.wait_for_dag(ASKING)
    run = trigger.trigger(ASKING)
    wait_for_question(trigger, server.log, dag=ASKING, run=run)
    details = f"{server.url}/api/v2/dags/{ASKING}/dagRuns/{run}/taskInstances/approve/-1/hitlDetails"

    def answer(user):
        body = {"chosen_options": ["Approve"], "params_input": {"reason": "it is the first"}}
        return httpx.patch(details, json=body, headers=server.api(user).headers, timeout=90).status_code

    body = trigger.get(f"/dags/{ASKING}/dagRuns/{run}/taskInstances/approve/-1/hitlDetails")["body"]
    assert ("No gate judged it." in body, "approve this" in body, "evil" in body) == (True, False, False)
    assert {user: answer(user) for user in ("viewer", "user")} == {"viewer": 403, "user": 403}
    assert answer("trigger") == 200
    assert trigger.wait_for_run(ASKING, run, seconds=120) == "success", trigger.log(ASKING, run, "approve")
    tags = version()
    assert (tags["airflow_ml.approval"], tags["airflow_ml.approval_by"]) == ("approved", "trigger")


@pytest.mark.integration
def test_a_name_that_nobody_could_answer_by_is_refused(fab):
    fab.api("trigger").wait_for_dag("asking_by_name")
    said = fab.api("trigger").get("/dags/asking_by_name/details")["doc_md"]
    assert "approvers: 'trigger' is not an id of the FAB auth manager, which knows users by number" in said
    assert "{id: 7, name: trigger} with the id that 'airflow users list' says" in said


@pytest.mark.parametrize(
    ("given", "user"),
    [
        ("ada", {"id": "ada", "name": "ada"}),
        (7, {"id": "7", "name": "7"}),
        ({"id": 7, "name": "ada"}, {"id": "7", "name": "ada"}),
        ({"id": "7"}, {"id": "7", "name": "7"}),
    ],
)
def test_users_are_ids_with_or_without_names(given, user):
    assert approver(given) == user


@pytest.mark.parametrize("given", [True, "", None, [], {"name": "ada"}, {"id": ""}, {"id": 7, "role": "x"}, {"id": []}])
def test_what_is_no_user_is_refused(given):
    with pytest.raises(ValueError, match=r"is not a user: write the id that Airflow knows the user by, or {id: 7"):
        approver(given)


def test_names_are_ids_of_the_simple_auth_manager_alone():
    require_known([approver("ada")], auth_manager=SIMPLE)
    require_known([approver("7"), approver({"id": 8, "name": "ada"})], auth_manager=FAB)
    for wrong in ("ada", "007", "-1", "\u0667"):
        with pytest.raises(ValueError, match="is not an id of the FAB auth manager"):
            require_known([approver(wrong)], auth_manager=FAB)


@pytest.mark.parametrize("given", ["17", {"id": 7}, 7, None])
def test_one_user_alone_is_no_list_of_users(given):
    with pytest.raises(AirflowException, match="write a list of users"):
        ApproveOperator(task_id="approve", model={}, approvers=given)
