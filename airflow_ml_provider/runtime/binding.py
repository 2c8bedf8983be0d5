"""Inputs, outputs and params to the arguments of a plain Python function."""

from __future__ import annotations

import difflib
import inspect
import json
import typing
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from airflow_ml_provider.protocol.tune import REPORT_ARGUMENT
from airflow_ml_provider.runtime.coercion import coerce
from airflow_ml_provider.runtime.errors import ContractError

_DEFAULT_LIMIT = 2_000
_PATH_ANNOTATIONS = (Path, str, Any, inspect.Parameter.empty)


def bind(
    function: Callable[..., Any],
    *,
    inputs: Mapping[str, Path],
    outputs: Mapping[str, Path],
    params: Mapping[str, Any],
    name: str,
) -> dict[str, Any]:
    """Return the keyword arguments to call ``function`` with.

    Inputs and outputs become :class:`pathlib.Path` (or ``str`` where annotated so), params are converted to
    their annotation. A parameter ``**anything`` takes what has no parameter of its own.

    Args:
        function: The user's function.
        inputs: Local paths by input name.
        outputs: Local paths by output name.
        params: JSON values by param name.
        name: How the function is called in messages (``flights.stages:train``).

    Raises:
        ContractError: An argument is missing, unknown or of another type. All problems are in one message.
    """
    signature = inspect.signature(function)
    annotations = _annotations(function, name)
    accepted = {
        parameter.name: parameter
        for parameter in signature.parameters.values()
        if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
    }
    takes_any = any(p.kind is p.VAR_KEYWORD for p in signature.parameters.values())
    problems = [
        f"argument {parameter.name!r} is positional-only; arguments are bound by name"
        for parameter in signature.parameters.values()
        if parameter.kind is parameter.POSITIONAL_ONLY
    ]
    arguments: dict[str, Any] = {}
    for kind, values in (("input", inputs), ("output", outputs), ("param", params)):
        for argument, value in values.items():
            if argument not in accepted and not takes_any:
                problems.append(_unknown(kind, argument, accepted))
                continue
            annotation = annotations.get(argument, inspect.Parameter.empty)
            try:
                arguments[argument] = _value(kind, argument, value, annotation)
            except ContractError as error:
                problems.append(str(error))
    known = {*inputs, *outputs, *params}
    problems.extend(
        f"argument {argument!r} has no default and is not an input, output or param of the stage"
        for argument, parameter in accepted.items()
        if parameter.default is parameter.empty and argument not in known
    )
    if problems:
        raise ContractError(f"{name}{signature} does not fit the stage: {'; '.join(problems)}")
    return arguments


def default_params(function: Callable[..., Any], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a function takes by default, by argument: what is not a JSON value is left out.

    Args:
        function: The user's function.
        arguments: What it is called with; nothing of it is a default.
    """
    found: dict[str, Any] = {}
    for parameter in inspect.signature(function).parameters.values():
        by_name = parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
        if not by_name or parameter.default is parameter.empty or parameter.name in (*arguments, REPORT_ARGUMENT):
            continue
        with suppress(TypeError, ValueError, RecursionError):
            text = json.dumps(parameter.default, allow_nan=False)
            if len(text) <= _DEFAULT_LIMIT and json.loads(text) == parameter.default:
                found[parameter.name] = parameter.default
    return found


def _annotations(function: Callable[..., Any], name: str) -> dict[str, Any]:
    try:
        return typing.get_type_hints(function)
    except (NameError, TypeError, AttributeError) as error:
        raise ContractError(
            f"{name}: its annotations cannot be read: {error}; names in annotations must be importable at "
            f"run time, not only under TYPE_CHECKING"
        ) from error


def _value(kind: str, argument: str, value: Any, annotation: Any) -> Any:
    if kind == "param":
        return value if annotation is inspect.Parameter.empty else coerce(value, annotation, name=argument)
    if annotation not in _PATH_ANNOTATIONS and Path not in typing.get_args(annotation):
        shown = annotation.__name__ if isinstance(annotation, type) else str(annotation)
        raise ContractError(f"{kind} {argument!r} arrives as a pathlib.Path, the function wants {shown}")
    return str(value) if annotation is str else value


def _unknown(kind: str, argument: str, accepted: Iterable[str]) -> str:
    close = difflib.get_close_matches(argument, list(accepted), n=1)
    hint = f", did you mean {close[0]!r}?" if close else ""
    return f"{kind} {argument!r} is not an argument of the function{hint}"
