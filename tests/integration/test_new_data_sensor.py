"""The sensor, in a worker and in the triggerer."""

import pytest

from airflow_ml_provider.testing.airflow_api import wait_until

MODES = ("sync", "deferrable")


@pytest.mark.parametrize("mode", MODES)
def test_it_waits_for_what_the_source_then_claims(airflow, dags_folder, mode):
    dag = f"waiting_{mode}"
    folder = dags_folder / "cases" / dag
    folder.mkdir()
    airflow.api.wait_for_dag(dag)
    run_id = airflow.api.trigger(dag)
    waits = "running" if mode == "sync" else "deferred"
    wait_until(lambda: airflow.api.tasks(dag, run_id)["wait"]["state"] == waits, what="the wait", seconds=60)
    (folder / "a.csv").write_text("1")
    assert airflow.api.wait_for_run(dag, run_id) == "success"
    assert airflow.api.xcom(dag, run_id, "claim", "metrics") == {"objects": 1, "bytes": 1}
    # What a run was given is not new: the next sensor waits.
    second = airflow.api.trigger(dag)
    wait_until(lambda: airflow.api.tasks(dag, second)["wait"]["state"] == waits, what="the wait", seconds=60)
    (folder / "b.csv").write_text("22")
    assert airflow.api.wait_for_run(dag, second) == "success"
    assert airflow.api.xcom(dag, second, "claim", "metrics") == {"objects": 1, "bytes": 2}
    # A run that is cleared has what it had, also when nothing else is new.
    airflow.api.clear(dag, run_id, "wait", "claim", "commit")
    assert airflow.api.wait_for_run(dag, run_id) == "success"
    assert airflow.api.tasks(dag, run_id)["claim"]["state"] == "success"
    assert airflow.api.xcom(dag, run_id, "claim", "metrics") == {"objects": 1, "bytes": 1}


@pytest.mark.parametrize("mode", MODES)
def test_it_gives_up_as_sensors_do(airflow, mode):
    run_id, state, states = airflow.run(f"in_vain_{mode}")
    assert (state, states) == ("failed", {"wait": "failed", "wait_softly": "skipped"})
    assert "imed out" in airflow.api.log(f"in_vain_{mode}", run_id, "wait") or mode == "deferrable"
