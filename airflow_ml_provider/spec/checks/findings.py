"""What checks find in a pipeline, before it is known where that stands in a file."""

from __future__ import annotations

from typing import NamedTuple

from airflow_ml_provider.spec.documents.document import KeyPath
from airflow_ml_provider.spec.problems import Severity


class Finding(NamedTuple):
    """What is wrong with a value of a pipeline.

    Attributes:
        path: The value's key path.
        message: What is wrong, what is allowed.
        severity: Whether the pipeline can be built all the same.
    """

    path: KeyPath
    message: str
    severity: Severity = "error"
