"""Params of a pipeline as Airflow's, and Airflow's as the core sees them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow.sdk.definitions.param import ParamsDict

from airflow_ml_provider.decisions.trust.param_schemas import MISSING, ParamSchema


def airflow_param(found: ParamSchema) -> Any:
    """Return a param for a DAG: a value, or Airflow's ``Param`` where it has a schema."""
    if not found.schema:
        return found.default
    # Not imported with the module: most pipelines have no schemas.
    from airflow.sdk import Param

    default = {} if found.default is MISSING else {"default": found.default}
    return Param(description=found.description, schema=dict(found.schema), **default)


def schemas_of(*found: ParamsDict | Mapping[str, Any] | None) -> dict[str, ParamSchema]:
    """Return params of DAG and task by name; those of a later mapping override those before it."""
    return {
        name: ParamSchema(param.value, param.schema or {})
        for params in found
        for name, param in (ParamsDict(params) if params else {}).items()
    }
