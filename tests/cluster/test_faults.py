"""The fault matrix: what is done to a stage while it runs, and what becomes of it.

Every cell asserts the task's final state, its result, the pods left, the state of its MLflow runs and the artifacts
that a reader sees. The table in docs/reference/reliability.md is what was seen; ``ML_WRITE_TABLE=1`` writes it anew.
"""

import os
import re
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from airflow_ml_provider.artifacts.store import ArtifactStore
from tests.live.faults import FAULTS
from tests.live.stage import Stage
from tests.live.task_process import TooLateError

TABLE = Path(__file__).parents[2] / "docs" / "reference" / "reliability.md"
# Faults that reach beyond their own stage come last, one by one; the others happen side by side.
ORDERED = sorted(FAULTS.items(), key=lambda item: item[1].reaches_others)
CELLS = [(name, mode) for name, fault in ORDERED for mode in fault.modes]
AT_ONCE = 3
# Two faults that were seen besides the one in question: a new pod that got no connection out for most of a minute, and
# Airflow's scheduler on a busy machine, which takes a task that resumed quickly for one that was killed.
LOST_NETWORK = "ConnectTimeoutError"
SEEN = {}


@pytest.fixture(scope="module")
def cells(request, airflow, kubernetes, mlflow, world):
    """What comes of every cell that this session asks for, by name and mode; it is computed when it is called."""
    asked = [item.callspec.params for item in request.session.items if item.function is test_a_fault]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        started = {
            (cell["name"], cell["mode"]): pool.submit(run_cell, airflow, kubernetes, mlflow, world, **cell)
            for cell in asked
            if not FAULTS[cell["name"]].reaches_others
        }

        def outcome(name, mode):
            if (name, mode) not in started:
                return run_cell(airflow, kubernetes, mlflow, world, name=name, mode=mode)
            seen = started[name, mode].result()
            stage, task, log, _, _ = seen
            as_expected = (task["state"], task["try_number"]) == (FAULTS[name].ends, FAULTS[name].tries)
            if as_expected or (LOST_NETWORK not in log and not stage.scheduler_failed_it):
                return seen
            warnings.warn(f"{name}, {mode} is run once more, another fault came in between:\n{log}", stacklevel=2)
            return run_cell(airflow, kubernetes, mlflow, world, name=name, mode=mode)

        yield outcome


def run_cell(airflow, kubernetes, mlflow, world, *, name, mode):
    fault = FAULTS[name]
    with fault.before(world):
        stage = in_time(fault, lambda: Stage(airflow, kubernetes, f"{fault.case}_{mode}", fault.seconds), world)
        task = stage.wait_for_end()
    log = stage.log()
    kubernetes.wait_for_no_pods(run=stage.run_id)
    ref = airflow.api.xcom(stage.dag, stage.run_id, "work", "model")
    if ref is not None:
        assert ArtifactStore().find(ref["uri"]).digest == ref["digest"]
    return stage, task, log, ref, mlflow.runs(stage.dag, stage.run_id)


def in_time(fault, start, world, attempts=4):
    """Return a stage to which the fault came at its moment."""
    for left in reversed(range(attempts)):
        stage = start()
        try:
            fault.act(stage, world)
        except TooLateError as error:
            if not left:
                raise
            warnings.warn(f"{error}; once more", stacklevel=2)
            stage.wait_for_end()
        else:
            return stage
    raise AssertionError


@pytest.mark.parametrize(("name", "mode"), CELLS, ids=[f"{name}-{mode}" for name, mode in CELLS])
def test_a_fault(cells, mlflow, name, mode):
    fault = FAULTS[name]
    stage, task, log, ref, runs = cells(name, mode)
    assert task["state"] == fault.ends, log
    assert task["try_number"] == fault.tries, log
    assert fault.says in log, log
    found = [re.search(text, log, re.MULTILINE) for text in fault.in_order]
    assert all(found), log
    assert sorted(match.start() for match in found) == [match.start() for match in found], log
    if fault.pods is not None:
        assert len(stage.uids) == fault.pods, log
    assert (ref is not None) == (task["state"] == "success" and not fault.marked), log
    if fault.every_line_once:
        assert [int(number) for number in re.findall(r"^step (\d+)$", log, re.MULTILINE)] == list(
            range(2 * fault.seconds)
        )
    if fault.curve:
        (before,) = runs["attempt"].values()
        assert mlflow.history(before.id, "progress")
        whole = [(number, float(number)) for number in range(2 * fault.seconds)]
        assert mlflow.history(runs["stage"]["work"].id, "progress") == whole
    states = {run.status for role in ("pipeline", "stage", "attempt") for run in runs[role].values()}
    assert "RUNNING" not in states
    status = runs["stage"]["work"].status
    assert status == ("KILLED" if fault.marked else "FINISHED" if fault.ends == "success" else "FAILED"), log
    SEEN[name, mode] = (fault.told, task["state"], task["try_number"], fault.pods, status, fault.means)


def test_the_table_in_the_docs_is_what_was_seen():
    if set(SEEN) != set(CELLS):
        pytest.skip("only a part of the matrix ran")
    lines = [
        "| What happens | Mode | Task ends | Tries | Pods | MLflow run | What it means |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, fault in FAULTS.items():
        for mode in fault.modes:
            told, state, tries, pods, run, means = SEEN[name, mode]
            lines.append(
                f"| {told} | {mode} | {state} | {tries} | {'several' if pods is None else pods} | {run} | {means} |"
            )
    table = "\n".join(lines)
    before, start, rest = TABLE.read_text().partition("<!-- matrix -->\n")
    _, end, after = rest.partition("\n<!-- end of matrix -->")
    if os.environ.get("ML_WRITE_TABLE"):
        TABLE.write_text("".join((before, start, table, end, after)))
    assert table in TABLE.read_text()
