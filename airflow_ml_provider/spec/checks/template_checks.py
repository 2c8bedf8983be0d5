"""Do Airflow's templates in a pipeline ask for params that it has, and may they? What else they hold a run knows."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from airflow_ml_provider.decisions.trust.param_schemas import ParamSchema
from airflow_ml_provider.decisions.trust.template_rules import COMMAND_FIELDS, require_allowed
from airflow_ml_provider.spec.checks.findings import Finding
from airflow_ml_provider.spec.documents.document import KeyPath
from airflow_ml_provider.spec.pipeline import PipelineSpec
from airflow_ml_provider.spec.problems import did_you_mean

_TEMPLATE = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_PARAM = re.compile(r"\bparams\.([A-Za-z_]\w*)")


def check_templates(pipeline: Mapping[str, Any], spec: PipelineSpec) -> Iterator[Finding]:
    """Say which templates ask for params that are not there, and which bring what to where it may not be.

    Args:
        pipeline: The pipeline as plain values.
        spec: The pipeline.
    """
    shown = repr(pipeline)
    # Of plain values only a text shows these, and most pipelines have none.
    if "{{" in shown or "{%" in shown:
        yield from _unknown_params(pipeline, spec.params)
        yield from _untrusted_fields(pipeline, spec)


def _unknown_params(value: Any, params: Collection[str], path: KeyPath = ()) -> Iterator[Finding]:
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
            yield from _unknown_params(item, params, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _unknown_params(item, params, (*path, index))


def _untrusted_fields(pipeline: Mapping[str, Any], spec: PipelineSpec) -> Iterator[Finding]:
    """Say which templates bring what whoever triggers a run chooses to where only the author may choose."""
    params = spec.param_schemas()
    for key, value in pipeline.items():
        if key not in ("params", "stages", *_NOT_RENDERED):
            yield from _untrusted(key, value, params, (key,))
    for name, stage in spec.stages.items():
        for key, value in pipeline["stages"][name].items():
            if key not in (*_NOT_RENDERED, *stage.value_fields):
                yield from _untrusted(stage.argument_names.get(key, key), value, params, ("stages", name, key))


_NOT_RENDERED = ("description", "doc", "kind", "sources", "tags")


def _untrusted(field: str, value: Any, params: Mapping[str, ParamSchema], path: KeyPath) -> Iterator[Finding]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _untrusted(field, item, params, (*path, key))
    elif isinstance(value, list) and field not in COMMAND_FIELDS:
        for index, item in enumerate(value):
            yield from _untrusted(field, item, params, (*path, index))
    else:
        try:
            require_allowed(field, value, params=params)
        except ValueError as error:
            yield Finding(path, str(error))
