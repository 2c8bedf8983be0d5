"""An approval that only Ada may give, and not for long."""

from datetime import timedelta

from airflow.sdk import DAG

from airflow_ml_provider.operators import ApproveOperator

with DAG("asking", schedule=None):
    ApproveOperator(
        task_id="approve",
        model={"name": "approved_model", "version": "2"},
        approvers=["ada"],
        on_timeout="fail",
        response_timeout=timedelta(seconds=15),
    )
