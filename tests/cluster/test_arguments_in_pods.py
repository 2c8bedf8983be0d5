"""Arguments of KubernetesPodOperator have their effect in a stage, on a real Kubernetes."""

import pytest

MODES = ("sync", "deferrable")


@pytest.fixture
def ran(airflow, kubernetes):
    """Run a case; returns the state of its task and its log, of every try."""

    def run(case, mode):
        dag = f"argument_{case}_{mode}"
        run_id, _, states = airflow.run(dag, seconds=180)
        tries = airflow.api.tasks(dag, run_id)["work"]["try_number"]
        logs = [airflow.api.log(dag, run_id, "work", try_number=attempt) for attempt in range(1, tries + 1)]
        kubernetes.wait_for_no_pods(run=run_id)
        return states["work"], "\n".join(logs), airflow.api.xcom(dag, run_id, "work", "pod_name")

    return run


@pytest.mark.parametrize("mode", MODES)
def test_callbacks_are_called_in_their_order(ran, mode):
    state, log, pod = ran("callbacks", mode)
    assert state == "success", log
    called = [line.partition("CALLED ")[2].split()[0] for line in log.splitlines() if "CALLED " in line]
    steps = ["manifest", "creation", "starting", "completion", "teardown", "cleanup"]
    # What a triggerer sees of a pod no callback can be called for.
    wanted = steps if mode == "sync" else [step for step in steps if step != "starting"]
    assert [step for step in called if step != "progress"] == wanted, log
    assert f"CALLED manifest {'async' if mode == 'deferrable' else 'sync'} work" in log
    assert "CALLED creation True" in log
    assert f"CALLED cleanup {pod}" in log
    if mode == "sync":
        assert "CALLED progress base work" in log


def test_lines_are_formatted_and_handed_on(ran):
    state, log, _ = ran("formatter", "sync")
    assert (state, "FORMATTED base line 1" in log) == ("success", True), log
    state, log, _ = ran("progress", "sync")
    assert (state, "PROGRESS line 1" in log) == ("success", True), log


@pytest.mark.parametrize("mode", MODES)
def test_the_log_of_an_init_container_is_shown_where_it_is_asked_for(ran, mode):
    state, log, _ = ran("init", mode)
    assert (state, "[prep] from the init container" in log) == ("success", True), log
    assert "[base]" not in log


@pytest.mark.parametrize("mode", MODES)
def test_an_init_container_that_fails_says_why_and_is_tried_again(ran, mode):
    state, log, _ = ran("init_fails", mode)
    assert state == "failed", log
    assert log.count("[prep] init says no") == 2, log
    assert log.count("init container 'prep' failed (Error, exit code 7)") >= 2, log
    assert "  | init says no" in log


@pytest.mark.parametrize("mode", MODES)
def test_the_log_of_a_sidecar_is_shown_where_it_is_asked_for(ran, mode):
    state, log, _ = ran("sidecar", mode)
    assert (state, "[side] from the sidecar" in log) == ("success", True), log


@pytest.mark.parametrize("mode", MODES)
def test_names_exit_codes_and_timeouts(ran, mode):
    state, log, pod = ran("named", mode)
    assert (state, pod.startswith("my-own-name-")) == ("success", True), log
    state, log, _ = ran("skip_success", mode)
    assert state == "skipped", log
    state, log, _ = ran("no_room_for_it", mode)
    assert state == "failed", log
    assert "no node took the pod" in log or "Insufficient cpu" in log, log
