"""The JSON Schema of pipeline files, for completion and checks in editors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from airflow_ml_provider.protocol.names import NAME_PATTERN
from airflow_ml_provider.spec.cache import CacheSpec
from airflow_ml_provider.spec.documents.resolve import DEFAULTS, ENVIRONMENTS
from airflow_ml_provider.spec.drift_schedule import DriftSchedule
from airflow_ml_provider.spec.kinds import built_in_models
from airflow_ml_provider.spec.partition_schedule import PartitionSchedule
from airflow_ml_provider.spec.pipeline import PipelineSpec, TrackingSpec
from airflow_ml_provider.spec.pod import PodSpec
from airflow_ml_provider.spec.resources import Resources
from airflow_ml_provider.spec.sources import DataSchedule, SettleSpec, SourceSpec
from airflow_ml_provider.spec.stages import CodeStageSpec, StageSpec

SCHEMA_VERSION = 1
SCHEMA_FILE = "pipeline.schema.json"
SCHEMA_ID = f"https://airflow-ml-provider.github.io/schema/{SCHEMA_VERSION}/{SCHEMA_FILE}"

_STAGE = "Stage"
_VARIABLE = r"\$\{env:"
# Mappings whose keys become identifiers.
_NAMED = {"inputs", "outputs", "params", "stages"}


def json_schema(models: Mapping[str, type[StageSpec]] | None = None) -> dict[str, Any]:
    """Return the schema (draft 2020-12).

    Args:
        models: The models of the kinds; default are the built-in ones, as in the schema that the wheel ships.
    """
    models = built_in_models() if models is None else models
    definitions: dict[str, Any] = {}
    root = _of(PipelineSpec, definitions)
    _add(CacheSpec, definitions)
    _add(DataSchedule, definitions)
    _add(DriftSchedule, definitions)
    _add(PartitionSchedule, definitions)
    _add(PodSpec, definitions)
    _add(Resources, definitions)
    _add(SettleSpec, definitions)
    _add(SourceSpec, definitions)
    _add(TrackingSpec, definitions)
    for kind, model in models.items():
        definitions[_name(kind)] = found = _of(model, definitions)
        found["properties"]["kind"]["const"] = kind
        for key, schema in found["properties"].items():
            if key != "kind":
                # A key without a value leaves out the default of all stages.
                found["properties"][key] = _or(schema, {"type": "null"})
    definitions[_STAGE] = _stage(models)
    shared = {**_of(CodeStageSpec, definitions)["properties"], **_of(StageSpec, definitions)["properties"]}
    root["properties"] |= {
        DEFAULTS: {
            "type": "object",
            "description": "Keys of stages, for all stages that know them and do not say otherwise",
            "properties": {name: schema for name, schema in sorted(shared.items()) if name not in ("kind", "needs")},
            "examples": [{"retries": 2, "timeout": "1h"}],
        },
        ENVIRONMENTS: {
            "type": "object",
            "description": "Changes of this file by environment, as a JSON Merge Patch: null removes a key",
            "additionalProperties": {"type": "object"},
            "examples": [{"prod": {"runner": "kubernetes"}}],
        },
    }
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA_ID,
        **root,
        "title": "airflow-ml-provider pipeline",
        "$defs": dict(sorted(definitions.items())),
    }
    linked: dict[str, Any] = _linked(schema)
    return linked


def _stage(models: Mapping[str, type[StageSpec]]) -> dict[str, Any]:
    # Conditions, not a union: an editor then speaks of the kind that is written, not of all that it is not.
    return {
        "type": "object",
        "required": ["kind"],
        "properties": {"kind": {"enum": list(models), "description": "What the stage does"}},
        "allOf": [
            {
                "if": {"properties": {"kind": {"const": kind}}, "required": ["kind"]},
                "then": {"$ref": f"#/$defs/{_name(kind)}"},
            }
            for kind in models
        ],
    }


def _name(kind: str) -> str:
    return f"stage {kind}".title().replace("_", "").replace(" ", "")


def _or(schema: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Return a schema that another one fits too; what explains it stays outside, where editors look."""
    described: dict[str, Any] = {key: schema[key] for key in ("description", "examples", "default") if key in schema}
    inner = {key: item for key, item in schema.items() if key not in described}
    branches = inner["anyOf"] if inner.keys() == {"anyOf"} else [inner]
    return {**described, "anyOf": branches if other in branches else [*branches, other]}


def _add(model: type[BaseModel], definitions: dict[str, Any]) -> None:
    definitions[model.__name__] = _of(model, definitions)


def _of(model: type[BaseModel], definitions: dict[str, Any]) -> dict[str, Any]:
    schema = model.model_json_schema()
    definitions |= schema.pop("$defs", {})
    return schema


def _linked(value: Any) -> Any:
    """Replace what stands for another definition by a reference to it; drop the titles that pydantic makes of names."""
    if isinstance(value, list):
        return [_linked(item) for item in value]
    if not isinstance(value, dict):
        return value
    found = {
        key: _linked(item)
        for key, item in value.items()
        if not (key == "title" and isinstance(item, str) and item != "airflow-ml-provider pipeline")
    }
    for key in _NAMED & found.get("properties", {}).keys():
        found["properties"][key]["propertyNames"] = {"pattern": f"^{NAME_PATTERN.pattern}$"}
    if "string" in found.get("type", ()) and {"pattern", "enum"} & found.keys():
        # The text of a variable is not known here.
        found = _or(found, {"type": "string", "pattern": _VARIABLE})
    if "x-definition" in found:
        found["$ref"] = f"#/$defs/{found.pop('x-definition')}"
    return found
