"""One stage of one run, in a pod, while things happen to it."""

import httpx
import tenacity

from airflow_ml_provider.testing.airflow_api import wait_until


class Stage:
    """The task ``work`` of a new run of a DAG."""

    def __init__(self, airflow, kubernetes, dag, seconds):
        self.airflow, self.kubernetes, self.dag = airflow, kubernetes, dag
        self.uids = set()
        airflow.api.wait_for_dag(dag)
        # Airflow on SQLite answers 500 when its database is locked for too long.
        again = tenacity.retry(
            retry=tenacity.retry_if_exception_type(httpx.HTTPStatusError), stop=tenacity.stop_after_attempt(3)
        )
        self.run_id = again(airflow.api.trigger)(dag, conf={"seconds": seconds})

    @property
    def task(self):
        return self.airflow.api.tasks(self.dag, self.run_id)["work"]

    @property
    def state(self):
        return self.task["state"]

    def pod(self):
        """Wait for the pod to do the stage's work, and not only to load what it needs."""
        pod = self.kubernetes.wait_for_pod(run=self.run_id, phase="Running", seconds=150)
        wait_until(lambda: "step" in self.kubernetes.log(pod), what=f"the work of {self.dag}", seconds=60, every=0.2)
        return pod

    def wait_for_state(self, *states, seconds=150):
        wait_until(lambda: self.state in states, what=f"{self.dag} in {states}, not {self.state}", seconds=seconds)

    def watch_pods(self):
        """Count the pods that are there now."""
        self.uids.update(pod.metadata.uid for pod in self.kubernetes.pods(run=self.run_id))

    def wait_for_end(self, seconds=300):
        """Wait for the run's end, counting its pods; returns the task."""

        def ended():
            self.watch_pods()
            return self.airflow.api.run_state(self.dag, self.run_id) in ("success", "failed")

        wait_until(ended, what=f"the end of {self.dag}", seconds=seconds, every=0.3)
        return self.task

    def log(self):
        """Return the logs of all tries."""
        return "\n".join(
            self.airflow.api.log(self.dag, self.run_id, "work", try_number=number)
            for number in range(1, self.task["try_number"] + 1)
        )

    @property
    def scheduler_failed_it(self):
        """Whether Airflow took a task that resumed quickly for one that was killed (apache/airflow#72716)."""
        told = self.airflow.api.get("/eventLogs", dag_id=self.dag, run_id=self.run_id, event="state mismatch")
        return bool(told["event_logs"])
