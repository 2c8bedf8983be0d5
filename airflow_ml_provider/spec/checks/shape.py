"""What is wrong with the shape of a pipeline, in words for its author."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from airflow_ml_provider.spec.documents.document import Document, KeyPath
from airflow_ml_provider.spec.documents.resolve import DEFAULTS, ENVIRONMENTS
from airflow_ml_provider.spec.kinds import model_at
from airflow_ml_provider.spec.pipeline import PipelineSpec
from airflow_ml_provider.spec.problems import Problem, did_you_mean

_SHOWN_LIMIT = 60

# Types of pydantic's errors: https://docs.pydantic.dev/latest/errors/validation_errors/
_WANTED = {
    "int_type": "a whole number is wanted",
    "int_parsing": "a whole number is wanted",
    "int_from_float": "a whole number is wanted",
    "bool_type": "true or false is wanted",
    "string_type": "text is wanted",
    "list_type": "a list is wanted, such as [a, b]",
    "dict_type": "a mapping is wanted, such as {key: value}",
    "model_type": "a mapping is wanted, such as {key: value}",
    "date_type": "a date is wanted, such as 2024-01-31",
    "date_from_datetime_inexact": "a date is wanted, such as 2024-01-31",
}


def shape_problems(document: Document, error: ValidationError) -> list[Problem]:
    """Return a problem for each thing that pydantic found."""
    problems = []
    for details in error.errors(include_url=False, include_context=True):
        path = _key_path(details["loc"])
        problems.append(document.problem(path, _message(document.value, path, details)))
    return problems


def _key_path(location: tuple[int | str, ...]) -> KeyPath:
    """Drop what pydantic adds to the location of a key: ``[key]``."""
    path: list[int | str] = []
    for part in location:
        if part == "[key]":
            break
        path.append(part)
    return tuple(path)


def _message(value: Any, path: KeyPath, details: ErrorDetails) -> str:
    kind, context = details["type"], details.get("ctx", {})
    if kind == "extra_forbidden":
        return _unknown_key(value, path)
    if kind == "missing":
        return f"key {path[-1]!r} is missing"
    if kind == "value_error":
        return details["msg"].removeprefix("Value error, ")
    if kind in ("gate", "kind", "params"):
        return details["msg"]
    shown = _shown(details["input"])
    got = f", got {shown}" if len(shown) <= _SHOWN_LIMIT else ""
    if kind == "literal_error":
        allowed = [word.strip().strip("'") for word in context["expected"].replace(" or ", ", ").split(",")]
        return f"{shown[:_SHOWN_LIMIT]} is not allowed; allowed are {', '.join(allowed)}" + did_you_mean(
            shown.strip("'"), allowed
        )
    if kind in ("greater_than_equal", "less_than_equal"):
        bound = f"at least {context['ge']}" if kind == "greater_than_equal" else f"at most {context['le']}"
        return f"{bound} is wanted{got}"
    if kind in ("too_short", "too_long"):
        bound = f"at least {context['min_length']}" if kind == "too_short" else f"at most {context['max_length']}"
        return f"{bound} is wanted here, not {context['actual_length']}"
    if kind == "string_too_short":
        return "it is empty; write a value, or remove the key"
    if kind in _WANTED:
        quotes = "; put it in quotes" if kind == "string_type" and isinstance(details["input"], int | float) else ""
        return f"{_WANTED[kind]}{got}{quotes}"
    message = details["msg"]
    return f"{message[0].lower()}{message[1:]}{got}"


def _shown(value: Any) -> str:
    try:
        return repr(value)
    except ValueError:
        # Python prints no number of more than 4300 digits.
        return "a number of thousands of digits"


def _unknown_key(value: Any, path: KeyPath) -> str:
    key = str(path[-1])
    model = model_at(path, root=PipelineSpec, value=value)
    known = [] if model is None else list(model.model_fields)
    if model is PipelineSpec:
        known += [DEFAULTS, ENVIRONMENTS]
    return f"unknown key {key!r}; known are {', '.join(known)}{did_you_mean(key, known)}"
