"""After which failures of a stage no retry is wanted, as a retry policy of Airflow."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from airflow_ml_provider.errors import FAILURE_CLASSES
from airflow_ml_provider.exceptions import AIRFLOW_ERRORS

if TYPE_CHECKING:
    from airflow.sdk import ExceptionRetryPolicy

NO_RETRY = ("bad_data", "out_of_memory", "user_code")


def retry_policy(no_retry: Collection[str]) -> ExceptionRetryPolicy:
    """Return the policy that fails after some verdicts.

    Args:
        no_retry: Verdicts; others than :data:`NO_RETRY` are left out.
    """
    # Not imported with the module: most stages have no policy.
    from airflow.sdk import ExceptionRetryPolicy, RetryAction, RetryRule

    return ExceptionRetryPolicy(
        rules=[
            RetryRule(AIRFLOW_ERRORS[FAILURE_CLASSES[name]], action=RetryAction.FAIL, reason=f"no_retry names {name}")
            for name in sorted(set(no_retry) & set(NO_RETRY))
        ]
    )
