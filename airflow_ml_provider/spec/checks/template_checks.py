"""Do Airflow's templates in a pipeline ask for params that it has? What else they hold is known when a stage runs."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Any

from airflow_ml_provider.spec.checks.findings import Finding
from airflow_ml_provider.spec.documents.document import KeyPath
from airflow_ml_provider.spec.problems import did_you_mean

_TEMPLATE = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_PARAM = re.compile(r"\bparams\.([A-Za-z_]\w*)")


def check_templates(value: Any, params: Collection[str], path: KeyPath = ()) -> Iterator[Finding]:
    """Say which templates name a param that the pipeline does not have, and which are not closed.

    Both are warnings: who triggers a run may bring a param along, and ``{{`` may be a command's own.

    Args:
        value: The pipeline as plain values.
        params: The names of its params.
        path: Where the value stands.
    """
    if isinstance(value, str) and "{{" in value:
        for template in _TEMPLATE.findall(value):
            for name in _PARAM.findall(template):
                if name not in params:
                    message = f"the pipeline has no param {name!r}; it has {', '.join(params) or 'none'}"
                    yield Finding(path, message + did_you_mean(name, params), severity="warning")
        if "{{" in _TEMPLATE.sub("", value):
            yield Finding(path, "a template is not closed: '{{' without '}}'", severity="warning")
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from check_templates(item, params, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from check_templates(item, params, (*path, index))
