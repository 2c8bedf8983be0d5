"""Types of single fields."""

from __future__ import annotations

import datetime as dt
import json
import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import ConfigDict

from airflow_ml_provider.decisions.trust.param_schemas import KEYS as PARAM_KEYS
from airflow_ml_provider.decisions.trust.param_schemas import TYPES as PARAM_TYPES
from airflow_ml_provider.decisions.trust.param_schemas import param_of
from airflow_ml_provider.protocol.artifact import ARTIFACT_TYPES
from airflow_ml_provider.protocol.errors import ProtocolError
from airflow_ml_provider.protocol.names import NAME_PATTERN, require_name
from airflow_ml_provider.spec.checked import Checked
from airflow_ml_provider.spec.problems import did_you_mean
from airflow_ml_provider.spec.references import REFERENCE_PATTERN, Reference

# Deferred: a stage is validated as part of its pipeline, so a validator of its own would be built for nothing.
STRICT = ConfigDict(extra="forbid", frozen=True, strict=True, defer_build=True)

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
# https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
_QUANTITY = re.compile(r"\d+(\.\d+)?(m|k|[MGTPE]|[KMGTPE]i)?")
# https://github.com/distribution/reference: domain, path, tag, digest.
_IMAGE = re.compile(
    r"(?:(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*|\[[0-9a-fA-F:]+\])"
    r"(?::[0-9]+)?/)?"
    r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*"
    r"(?::\w[\w.-]{0,127})?(?:@[A-Za-z][A-Za-z0-9]*:[0-9a-fA-F]{32,})?"
)
_PIPELINE = re.compile(r"[A-Za-z0-9_.\-]{1,200}")
_MODEL = re.compile(r"[A-Za-z0-9_.\- ]{1,200}")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]")
_DURATION = re.compile(r"(\d+)\s*([smhd])")


def duration(value: Any) -> timedelta:
    """Return a time such as ``30s``.

    Raises:
        ValueError: It is none.
    """
    if isinstance(value, timedelta):
        return value
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"{value!r} is not a duration: write a number and s, m, h or d, such as 30s or 2h")
    try:
        return timedelta(**{_UNITS[match[2]]: int(match[1])})
    except OverflowError:
        raise ValueError(f"{value!r} is too long") from None


def checked_name(value: Any) -> str:
    """Return the name of an input, output, param or stage; raises a ValueError when it is none."""
    try:
        return require_name(value, of="the")
    except ProtocolError as error:
        raise ValueError(str(error)) from error


def _pipeline(value: Any) -> str:
    if not isinstance(value, str) or not _PIPELINE.fullmatch(value):
        raise ValueError(f"{value!r} is not a pipeline's name: use letters, digits, '_', '.' and '-', 200 at most")
    return value


def _model_name(value: Any) -> str:
    if not isinstance(value, str) or not (_MODEL.fullmatch(value) or "{{" in value):
        raise ValueError(f"{value!r} is not a model's name: use letters, digits, '_', '-', '.' and spaces, 200 at most")
    return value


def _artifact_type(value: Any) -> str:
    if value not in ARTIFACT_TYPES:
        hint = did_you_mean(str(value), ARTIFACT_TYPES)
        raise ValueError(f"{value!r} is not an artifact type; allowed are {', '.join(ARTIFACT_TYPES)}{hint}")
    return str(value)


def _reference(value: Any) -> Reference:
    return value if isinstance(value, Reference) else Reference.parse(value)


def _entry_point(value: Any) -> str:
    module, _, function = value.partition(":") if isinstance(value, str) else ("", "", "")
    if not function.isidentifier() or not all(part.isidentifier() for part in module.split(".")):
        raise ValueError(f"{value!r} is not an entry point: write module:function, such as flights.stages:train")
    return str(value)


def _quantity(value: Any) -> str:
    text = str(value)
    if isinstance(value, bool) or not _QUANTITY.fullmatch(text) or not text.strip("0.mkKMGTPEi"):
        raise ValueError(f"{value!r} is not a quantity more than 0, such as 2, 500m or 4Gi")
    return text


def _count(value: Any) -> str:
    text = str(value)
    if isinstance(value, bool) or not text.isdecimal() or not int(text):
        raise ValueError(f"{value!r} is not a number of devices: a whole number more than 0 is wanted")
    return text


def checked_json(value: Any) -> Any:
    """Return a JSON value; raises a ValueError when it is none."""
    if isinstance(value, dt.date):
        raise ValueError(f"{value} is a date, which JSON does not know; write it in quotes, as text")
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{value!r} is not a JSON value ({error}); write a number, or text in quotes") from error
    return value


def _pipeline_param(value: Any) -> Any:
    param_of(checked_json(value))
    return value


def _store(value: Any) -> str:
    if not isinstance(value, str) or not ("://" in value or value.startswith("/")):
        raise ValueError(f"{value!r} is not a store: write a URI such as s3://bucket/prefix, or an absolute path")
    scheme, _, rest = value.partition("://")
    bucket = rest.partition("/")[0]
    if scheme in ("s3", "s3a", "gs") and not (_BUCKET.fullmatch(bucket) or bucket.startswith("arn:") or "{" in bucket):
        raise ValueError(f"{value!r} has no valid bucket {bucket!r}: 3 to 63 of a-z, 0-9, '.', '-' and '_'")
    return value


def _image(value: Any) -> str:
    if not isinstance(value, str) or not ("{{" in value or (len(value) <= 512 and _IMAGE.fullmatch(value))):
        raise ValueError(
            f"{value!r} is not an image name: write registry/name:tag in lower case, such as ghcr.io/acme/train:1.4"
        )
    return value


def cron_or_preset(value: Any) -> str:
    """Return a schedule that is a cron expression or one of Airflow's presets.

    Raises:
        ValueError: It is neither.
    """
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not a schedule: write a cron expression in quotes, or a preset")
    if value.startswith("@"):
        if value not in PRESETS:
            raise ValueError(f"{value!r} is not a preset; there are {', '.join(PRESETS)}{did_you_mean(value, PRESETS)}")
        return value
    # Not imported with the module: most pipelines have no cron expression.
    from croniter import CroniterBadCronError, CroniterError, croniter

    try:
        croniter(value)
    except (CroniterBadCronError, CroniterError, ValueError, KeyError) as error:
        raise ValueError(
            f"{value!r} is not a cron expression: {error}; write minute, hour, day, month and weekday, such as "
            f'"0 6 * * 1-5", or a preset such as @daily'
        ) from error
    return value


def _date(value: Any) -> dt.date:
    if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        return value
    if isinstance(value, dt.datetime):
        raise ValueError(f"{value.isoformat()} is a time, a date is wanted: write YYYY-MM-DD")
    try:
        return dt.date.fromisoformat(value)
    except (TypeError, ValueError):
        raise ValueError(f"{value!r} is not a date: write YYYY-MM-DD") from None


PRESETS = ("@once", "@continuous", "@hourly", "@daily", "@weekly", "@monthly", "@quarterly", "@yearly")


_ANY_JSON = ["array", "boolean", "null", "number", "object", "string"]

Quantity = Annotated[
    str,
    Checked(_quantity, {"type": ["string", "number"], "pattern": f"^{_QUANTITY.pattern}$", "exclusiveMinimum": 0}),
]
Count = Annotated[str, Checked(_count, {"type": ["string", "integer"], "pattern": "^[0-9]+$", "exclusiveMinimum": 0})]
PARAM_NAMES = sorted(PARAM_KEYS)
"""What a schema of a param may say."""
_SCHEMA = {
    "type": "object",
    "anyOf": [{"required": ["type"]}, {"required": ["enum"]}],
    "propertyNames": {"enum": PARAM_NAMES},
}
PipelineParam = Annotated[
    Any,
    Checked(
        _pipeline_param,
        {
            "anyOf": [
                {"type": ["array", "boolean", "null", "number", "string"]},
                {"type": "object", "not": _SCHEMA},
                {
                    **_SCHEMA,
                    "description": "Which values the param takes: Airflow's Param, a default with a JSON Schema",
                    "properties": {
                        "type": {
                            "anyOf": [
                                {"enum": list(PARAM_TYPES)},
                                {"type": "array", "items": {"enum": list(PARAM_TYPES)}},
                            ],
                        },
                        "enum": {"type": "array", "minItems": 1},
                        "pattern": {"type": "string", "format": "regex"},
                        "title": {"type": "string"},
                        "description": {"type": "string"},
                        "default": {},
                    },
                },
            ]
        },
    ),
]
FiniteJson = Annotated[Any, Checked(checked_json, {"type": _ANY_JSON})]
StoreUri = Annotated[str, Checked(_store, {"type": "string", "pattern": "://|^/", "examples": ["s3://artifacts/ml"]})]
Duration = Annotated[
    timedelta,
    Checked(duration, {"type": "string", "pattern": f"^{_DURATION.pattern}$", "examples": ["30s", "2h"]}),
]
Name = Annotated[str, Checked(checked_name, {"type": "string", "pattern": f"^{NAME_PATTERN.pattern}$"})]
PipelineName = Annotated[str, Checked(_pipeline, {"type": "string", "pattern": f"^{_PIPELINE.pattern}$"})]
ModelName = Annotated[str, Checked(_model_name, {"type": "string", "pattern": f"^{_MODEL.pattern}$|{{{{"})]
ArtifactType = Annotated[str, Checked(_artifact_type, {"type": "string", "enum": list(ARTIFACT_TYPES)})]
StageReference = Annotated[
    Reference,
    Checked(
        _reference,
        {"type": "string", "pattern": f"^{REFERENCE_PATTERN.pattern}$", "examples": ["features.train"]},
    ),
]
EntryPoint = Annotated[
    str,
    Checked(
        _entry_point,
        {
            "type": "string",
            "pattern": r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*$",
            "examples": ["flights.stages:train"],
        },
    ),
]
ImageName = Annotated[str, Checked(_image, {"type": "string", "minLength": 1, "maxLength": 512})]
StartDate = Annotated[dt.date, Checked(_date, {"type": "string", "format": "date", "examples": ["2024-01-01"]})]
