"""A question that one user may answer, by the id that the auth manager knows that user by."""

import os

from airflow.sdk import DAG

from airflow_ml_provider.operators import ApproveOperator

with DAG("asking", schedule=None):
    ApproveOperator(
        task_id="approve",
        model={"name": os.environ["ASKED"], "version": "1", "gates": []},
        approvers=[{"id": os.environ["APPROVER"], "name": "trigger"}],
        promote=False,
    )
