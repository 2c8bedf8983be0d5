"""The main job, end to end, on real flights."""


def test_two_runs_leave_two_of_each_run_and_one_version(airflow, mlflow):
    first, state, tasks = airflow.run("flight_delays")
    assert state == "success", airflow.server.log
    assert set(tasks.values()) == {"success"}
    stages = {"ingest", "check", "features", "train", "evaluate", "register"}

    runs = mlflow.runs("flight_delays", first)
    assert list(runs["pipeline"]) == [first]
    assert set(runs["stage"]) == stages
    assert not runs["attempt"]
    assert {run.status for role in runs.values() for run in role.values()} == {"FINISHED"}
    parent = runs["pipeline"][first].id
    assert {run.tags["mlflow.parentRunId"] for run in runs["stage"].values()} == {parent}

    evaluated = airflow.api.xcom("flight_delays", first, "evaluate", "metrics")
    assert runs["stage"]["evaluate"].metrics == evaluated
    assert evaluated["rmse"] < evaluated["baseline_rmse"]
    assert evaluated["mae"] < evaluated["baseline_mae"]
    train = runs["stage"]["train"]
    assert train.params == {"max_depth": "6", "learning_rate": "0.06", "max_iter": "250", "seed": "0"}
    assert train.metrics.keys() == {"train_rmse", "train_loss"}
    steps = [step for step, _ in mlflow.history(train.id, "train_loss")]
    assert steps == list(range(0, 10 * len(steps), 10))
    assert len(steps) > 3
    assert train.tags["airflow_ml.output.model"] == airflow.api.xcom("flight_delays", first, "train", "model")["uri"]

    (version,) = mlflow.versions("flight_delays")
    assert mlflow.aliases("flight_delays") == {"champion": version["version"]}
    tags = {tag["key"]: tag["value"] for tag in version["tags"]}
    data = airflow.api.xcom("flight_delays", first, "ingest", "data")
    assert tags["airflow_ml.data"] == f"{data['uri']}@{data['digest']}"
    assert (tags["airflow_ml.stage"], tags["airflow_ml.entry_point"]) == ("train", "flights.stages:train")
    assert tags["airflow_ml.code_digest"].startswith("sha256:")
    assert "rmse is" in tags["airflow_ml.gate"]
    link = airflow.api.get(f"/dags/flight_delays/dagRuns/{first}/taskInstances/register/links")
    assert version["version"] in link["extra_links"]["Model version"]
    assert link["extra_links"]["MLflow run"].startswith(mlflow.uri)

    second, state, _ = airflow.run("flight_delays")
    assert state == "success"
    again = mlflow.runs("flight_delays", second)
    assert (len(again["pipeline"]), set(again["stage"]), len(again["attempt"])) == (1, stages, 0)
    assert mlflow.runs("flight_delays", first) == runs
    assert mlflow.versions("flight_delays") == [version]
    assert airflow.api.xcom("flight_delays", second, "register", "model")["created"] is False


def test_nothing_but_committed_outputs_and_no_secret_is_in_the_store(airflow):
    """Runs after the pipeline did: every output has its commit record."""
    outputs = list(airflow.store.glob("flight_delays/*/*/-1/1.1/[a-z]*"))
    assert len(outputs) >= 6
    for output in outputs:
        assert (output.parent / "_commits" / f"{output.name}.json").is_file(), output
    assert not list(airflow.store.rglob("*.tmp"))
