"""A question of an approve stage that may be answered."""

from airflow_ml_provider.testing.airflow_api import wait_until


def wait_for_question(api, log, *, dag, run):
    """Wait until an approve stage asks; Airflow's scheduler writes to ``log``.

    Airflow fails a task that is answered before its scheduler saw the end of the process that asked.
    """
    seen = f"task_id='approve', run_id='{run}'"

    def waits():
        return api.tasks(dag, run).get("approve", {}).get("state") == "awaiting_input"

    def has_ended():
        lines = log.read_text(errors="replace").splitlines()
        return any("Received executor event" in line and seen in line for line in lines)

    wait_until(waits, what="the question", seconds=120)
    wait_until(has_ended, what="the scheduler to see the question", seconds=60)
