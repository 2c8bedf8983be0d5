"""Param values to annotated types: exact or refused, never guessed."""

from __future__ import annotations

import enum
import types
import typing
from pathlib import Path
from typing import Any

from airflow_ml_provider.runtime.errors import ContractError

_WORDS = {"true": True, "false": False}


def coerce(value: Any, annotation: Any, *, name: str) -> Any:
    """Return ``value`` as the annotated type.

    Templates in Airflow render to text, so text that is exactly an int, a float or a bool becomes one where
    the annotation asks for it. An annotation that is not known here leaves the value as it is.

    Raises:
        ContractError: The value is not of that type.
    """
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if annotation in (Any, None) or isinstance(annotation, str):
        return value
    if origin in (typing.Union, types.UnionType):
        return _coerce_union(value, args, annotation, name)
    if origin is typing.Literal:
        if value not in args:
            raise _mismatch(value, annotation, name)
        return value
    if origin in (list, tuple, set) or annotation in (list, tuple, set):
        return _coerce_sequence(value, origin or annotation, args, annotation, name)
    if origin is dict or annotation is dict:
        if not isinstance(value, dict):
            raise _mismatch(value, annotation, name)
        if len(args) == 2:
            return {key: coerce(item, args[1], name=f"{name}[{key!r}]") for key, item in value.items()}
        return value
    return _coerce_scalar(value, annotation, name)


def _coerce_union(value: Any, args: tuple[Any, ...], annotation: Any, name: str) -> Any:
    if value is None and type(None) in args:
        return None
    members = [arg for arg in args if arg is not type(None)]
    for member in members:
        if isinstance(member, type) and type(value) is member:
            return value
    for member in members:
        try:
            return coerce(value, member, name=name)
        except ContractError:
            continue
    raise _mismatch(value, annotation, name)


def _coerce_sequence(value: Any, kind: Any, args: tuple[Any, ...], annotation: Any, name: str) -> Any:
    if not isinstance(value, list | tuple):
        raise _mismatch(value, annotation, name)
    if kind is tuple and args and args[-1] is not Ellipsis:
        if len(args) != len(value):
            raise _mismatch(value, annotation, name)
        items = [coerce(item, arg, name=f"{name}[{i}]") for i, (item, arg) in enumerate(zip(value, args, strict=True))]
    elif args:
        items = [coerce(item, args[0], name=f"{name}[{i}]") for i, item in enumerate(value)]
    else:
        items = list(value)
    return kind(items)


def _coerce_scalar(value: Any, annotation: Any, name: str) -> Any:
    if not isinstance(annotation, type):
        return value
    if annotation is bool:
        if isinstance(value, str) and value.lower() in _WORDS:
            return _WORDS[value.lower()]
        if not isinstance(value, bool):
            raise _mismatch(value, annotation, name)
        return value
    if annotation in (int, float) and isinstance(value, str | int | float) and not isinstance(value, bool):
        return _coerce_number(value, annotation, name)
    if issubclass(annotation, enum.Enum):
        try:
            return annotation(value)
        except ValueError:
            raise _mismatch(value, annotation, name) from None
    if annotation is Path and isinstance(value, str):
        return Path(value)
    if annotation in (str, int, float) and (not isinstance(value, annotation) or isinstance(value, bool)):
        raise _mismatch(value, annotation, name)
    return value


def _coerce_number(value: str | float, annotation: type, name: str) -> Any:
    try:
        number = annotation(value)
    except (ValueError, OverflowError):
        raise _mismatch(value, annotation, name) from None
    if annotation is int and isinstance(value, float) and number != value:
        raise _mismatch(value, annotation, name)
    return number


def _mismatch(value: Any, annotation: Any, name: str) -> ContractError:
    expected = annotation.__name__ if isinstance(annotation, type) else str(annotation)
    return ContractError(f"param {name!r} is {value!r} ({type(value).__name__}), the function wants {expected}")
