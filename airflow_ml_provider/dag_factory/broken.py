"""A pipeline file with mistakes is seen in the UI and hides nobody else's."""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG, BaseOperator, Context

from airflow_ml_provider.exceptions import StageConfigurationError

BROKEN_TAG = "broken"


class BrokenPipelineOperator(BaseOperator):
    """The one task of a broken pipeline: it fails with the file's mistakes.

    Args:
        problems: What is wrong with the file.
    """

    def __init__(self, *, problems: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.problems = problems

    def execute(self, context: Context) -> None:
        """Fail.

        Raises:
            StageConfigurationError: Always.
        """
        raise StageConfigurationError(f"this pipeline's file has mistakes:\n{self.problems}")


def broken_dag(name: str, problems: str) -> DAG:
    """Return a DAG without a schedule that shows what is wrong with a file."""
    with DAG(
        dag_id=name,
        schedule=None,
        tags=["ml", BROKEN_TAG],
        description=f"Broken: {problems.splitlines()[0][:200]}",
        doc_md=f"This pipeline's file has mistakes:\n\n```\n{problems}\n```",
    ) as dag:
        BrokenPipelineOperator(task_id="mend_the_file", problems=problems)
    return dag
