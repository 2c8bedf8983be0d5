"""A pipeline file with mistakes is seen in the UI and hides nobody else's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow.sdk import DAG, BaseOperator, Context

from airflow_ml_provider.decisions.trust.shown_text import fenced
from airflow_ml_provider.errors import StageConfigurationError
from airflow_ml_provider.spec.problems import Problem

BROKEN_TAG = "broken"
MISTAKES = "ml_mistakes"
"""The field of a serialized task that holds the mistakes of its file."""


class BrokenPipelineOperator(BaseOperator):
    """The one task of a broken pipeline: it fails with the file's mistakes.

    Args:
        problems: What is wrong with the file.
    """

    def __init__(self, *, problems: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.problems = problems

    @classmethod
    def get_serialized_fields(cls) -> Any:
        """Return what is serialized of the task: the mistakes too, for who sees no file."""
        return super().get_serialized_fields() | {MISTAKES}  # type: ignore[no-untyped-call]

    @property
    def ml_mistakes(self) -> str:
        """The mistakes, as text."""
        return self.problems

    def execute(self, context: Context) -> None:
        """Fail.

        Raises:
            StageConfigurationError: Always.
        """
        raise StageConfigurationError(f"this pipeline's file has mistakes:\n{self.problems}")


def broken_dag(name: str, problems: Sequence[Problem]) -> DAG:
    """Return a DAG without a schedule that shows what is wrong with a file."""
    text = "\n".join(map(str, problems))
    with DAG(
        dag_id=name,
        schedule=None,
        tags=["ml", BROKEN_TAG],
        description=f"Broken: {text.splitlines()[0][:200]}",
        doc_md="\n\n".join(("This pipeline's file has mistakes:", *map(_in_markdown, problems))),
    ) as dag:
        BrokenPipelineOperator(task_id="mend_the_file", problems=text)
    return dag


def _in_markdown(problem: Problem) -> str:
    """Return a problem for Airflow's page, which wraps code within a line and keeps a block of it as it is."""
    first, *snippet = str(problem).splitlines()
    message = f"`{first.replace('`', chr(39))}`"
    return f"{message}\n\n{fenced(chr(10).join(snippet), language='text')}" if snippet else message
