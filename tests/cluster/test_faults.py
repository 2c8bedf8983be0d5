"""The fault matrix: what is done to a stage while it runs, and what becomes of it.

Every cell asserts the task's final state, its result, the pods left, the state of its MLflow runs and the artifacts
that a reader sees. The table in docs/reference/reliability.md is what was seen; ``ML_WRITE_TABLE=1`` writes it anew.
"""

import os
from pathlib import Path

import pytest

from airflow_ml_provider.artifacts.store import ArtifactStore
from airflow_ml_provider.testing.airflow_api import wait_until
from tests.live.faults import FAULTS

TABLE = Path(__file__).parents[2] / "docs" / "reference" / "reliability.md"
CELLS = [(name, mode) for name, fault in FAULTS.items() for mode in fault.modes]
SEEN = {}


class Stage:
    """The stage of one run that a fault is done to."""

    def __init__(self, airflow, kubernetes, dag, seconds):
        self.airflow, self.kubernetes, self.dag = airflow, kubernetes, dag
        self.uids = set()
        airflow.api.wait_for_dag(dag)
        self.run_id = airflow.api.trigger(dag, conf={"seconds": seconds})

    def pod(self, phase="Running"):
        return self.kubernetes.wait_for_pod(run=self.run_id, phase=phase, seconds=90)

    @property
    def state(self):
        return self.airflow.api.tasks(self.dag, self.run_id)["work"]["state"]

    def wait_for_state(self, *states, seconds=90):
        wait_until(lambda: self.state in states, what=f"{self.dag} in {states}, not {self.state}", seconds=seconds)

    def watch_pods(self):
        self.uids.update(pod.metadata.uid for pod in self.kubernetes.pods(run=self.run_id))

    def wait_for_end(self, seconds=240):
        def ended():
            self.watch_pods()
            return self.airflow.api.run_state(self.dag, self.run_id) in ("success", "failed")

        wait_until(ended, what=f"the end of {self.dag}", seconds=seconds, every=0.3)
        return self.airflow.api.tasks(self.dag, self.run_id)["work"]

    def log(self):
        tries = self.airflow.api.tasks(self.dag, self.run_id)["work"]["try_number"]
        return "\n".join(
            self.airflow.api.log(self.dag, self.run_id, "work", try_number=number) for number in range(1, tries + 1)
        )


@pytest.mark.parametrize(("name", "mode"), CELLS, ids=[f"{name}-{mode}" for name, mode in CELLS])
def test_a_fault(airflow, kubernetes, mlflow, world, name, mode):
    fault = FAULTS[name]
    with fault.before(world):
        stage = Stage(airflow, kubernetes, f"{fault.case}_{mode}", fault.seconds)
        fault.act(stage, world)
        task = stage.wait_for_end()
    log = stage.log()
    assert task["state"] == fault.ends, log
    assert task["try_number"] == fault.tries, log
    assert fault.says in log, log
    if fault.pods is not None:
        assert len(stage.uids) == fault.pods, log
    kubernetes.wait_for_no_pods(run=stage.run_id)
    ref = airflow.api.xcom(stage.dag, stage.run_id, "work", "model")
    assert (ref is not None) == (task["state"] == "success" and not fault.marked), log
    if ref is not None:
        assert ArtifactStore().find(ref["uri"]).digest == ref["digest"]
    runs = mlflow.runs(stage.dag, stage.run_id)
    states = {run.status for role in ("pipeline", "stage", "attempt") for run in runs[role].values()}
    assert "RUNNING" not in states
    if runs["stage"] and not fault.marked:
        assert runs["stage"]["work"].status == ("FINISHED" if task["state"] == "success" else "FAILED"), log
    shown = runs["stage"]["work"].status if runs["stage"] else "none"
    SEEN[name, mode] = (fault.told, task["state"], task["try_number"], len(stage.uids), shown, fault.means)


def test_the_table_in_the_docs_is_what_was_seen():
    if set(SEEN) != set(CELLS):
        pytest.skip("only a part of the matrix ran")
    lines = [
        "| What happens | Mode | Task ends | Tries | Pods | MLflow run | What it means |",
        "|---|---|---|---|---|---|---|",
    ]
    for (_, mode), (told, state, tries, pods, run, means) in SEEN.items():
        lines.append(f"| {told} | {mode} | {state} | {tries} | {pods} | {run} | {means} |")
    table = "\n".join(lines)
    before, start, rest = TABLE.read_text().partition("<!-- matrix -->\n")
    _, end, after = rest.partition("\n<!-- end of matrix -->")
    if os.environ.get("ML_WRITE_TABLE"):
        TABLE.write_text("".join((before, start, table, end, after)))
    assert table in TABLE.read_text()
