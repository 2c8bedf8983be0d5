"""A stage as a task of Airflow: what its execution gets of the operator and the task's context."""
