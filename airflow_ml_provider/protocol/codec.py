"""Frozen dataclasses to JSON and back, strictly.

Decoding checks every field against its annotation: unknown, missing and mistyped fields are errors that name
the path, so a message that was cut, forged or written by another version never becomes a half-right object.
"""

from __future__ import annotations

import dataclasses
import json
import math
import types
import typing
from collections.abc import Mapping
from functools import cache
from typing import Any, TypeVar

from airflow_ml_provider.protocol.errors import ProtocolError

T = TypeVar("T")

MAX_DEPTH = 32


def to_json(message: Any, *, limit: int) -> str:
    """Encode a protocol dataclass as canonical JSON: sorted keys, no white space, finite numbers.

    Args:
        message: An instance of a protocol dataclass.
        limit: The most bytes that the text may have.

    Raises:
        ProtocolError: A value is not JSON (a NaN included), or the text is longer than ``limit``.
    """
    name = type(message).__name__
    try:
        text = json.dumps(to_plain(message), sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise ProtocolError(f"{name} cannot be written as JSON: {error}") from error
    size = len(text.encode())
    if size > limit:
        raise ProtocolError(
            f"{name} has {size:,} bytes as JSON, {limit:,} are allowed: pass large values as artifacts, "
            f"not as params or metrics"
        )
    return text


def from_json(cls: type[T], text: str | bytes, *, limit: int) -> T:
    """Decode a protocol dataclass from JSON.

    Raises:
        ProtocolError: The text is too long, is not JSON, or does not fit ``cls``.
    """
    if len(text) > limit:
        raise ProtocolError(f"{cls.__name__} has {len(text):,} bytes as JSON, {limit:,} are allowed")
    try:
        plain = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"{cls.__name__} is not valid JSON: {error}") from error
    return from_plain(cls, plain)


def to_plain(value: Any) -> Any:
    """Turn dataclasses, mappings and tuples into plain dicts and lists."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise ProtocolError(f"key {key!r} ({type(key).__name__}) is not a string; JSON has no other keys")
        return {key: to_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(item) for item in value]
    return value


def from_plain(cls: type[T], plain: Any, *, path: str = "") -> T:
    """Build a protocol dataclass from plain dicts and lists, strictly.

    Raises:
        ProtocolError: A field is unknown, missing or of another type; the message names its path.
    """
    where = path or cls.__name__
    if not isinstance(plain, Mapping):
        raise ProtocolError(f"{where}: expected an object, got {_shown(plain)}")
    annotations = _annotations(typing.cast("type", cls))
    unknown = sorted(str(key) for key in plain if key not in annotations)
    if unknown:
        raise ProtocolError(f"{where}: unknown field {unknown[0]!r}; known are {', '.join(annotations)}")
    values = {}
    for field in dataclasses.fields(cls):  # type: ignore[arg-type]
        if field.name in plain:
            values[field.name] = _decode(annotations[field.name], plain[field.name], f"{where}.{field.name}", 0)
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise ProtocolError(f"{where}: field {field.name!r} is missing")
    return cls(**values)


@cache
def _annotations(cls: type) -> dict[str, Any]:
    return typing.get_type_hints(cls)


def _decode(annotation: Any, value: Any, path: str, depth: int) -> Any:
    if depth > MAX_DEPTH:
        raise ProtocolError(f"{path}: nested deeper than {MAX_DEPTH} levels")
    if annotation is Any:
        return _json_value(value, path, depth)
    origin = typing.get_origin(annotation)
    if origin in (typing.Union, types.UnionType):
        return _decode_optional(annotation, value, path, depth)
    if origin is Mapping:
        item = typing.get_args(annotation)[1]
        if not isinstance(value, Mapping):
            raise ProtocolError(f"{path}: expected an object, got {_shown(value)}")
        return {key: _decode(item, value[key], f"{path}.{key}", depth + 1) for key in value}
    if origin is tuple:
        item = typing.get_args(annotation)[0]
        if not isinstance(value, list | tuple):
            raise ProtocolError(f"{path}: expected a list, got {_shown(value)}")
        return tuple(_decode(item, entry, f"{path}[{index}]", depth + 1) for index, entry in enumerate(value))
    if origin is typing.Literal:
        allowed = typing.get_args(annotation)
        if value not in allowed or isinstance(value, bool):
            raise ProtocolError(f"{path}: {_shown(value)} is not one of {', '.join(map(repr, allowed))}")
        return value
    if dataclasses.is_dataclass(annotation):
        return from_plain(typing.cast("type[Any]", annotation), value, path=path)
    return _decode_scalar(annotation, value, path)


def _decode_optional(annotation: Any, value: Any, path: str, depth: int) -> Any:
    if value is None:
        return None
    (inner,) = (arg for arg in typing.get_args(annotation) if arg is not type(None))
    return _decode(inner, value, path, depth)


def _decode_scalar(annotation: Any, value: Any, path: str) -> Any:
    if annotation is float and isinstance(value, int | float) and not isinstance(value, bool):
        if not math.isfinite(value):
            raise ProtocolError(f"{path}: {value!r} is not a finite number")
        return float(value)
    if type(value) is not annotation:
        raise ProtocolError(f"{path}: expected {annotation.__name__}, got {_shown(value)}")
    return value


def _json_value(value: Any, path: str, depth: int) -> Any:
    if depth > MAX_DEPTH:
        raise ProtocolError(f"{path}: nested deeper than {MAX_DEPTH} levels")
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return _decode_scalar(float, value, path)
    if isinstance(value, list | tuple):
        return [_json_value(item, f"{path}[{index}]", depth + 1) for index, item in enumerate(value)]
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise ProtocolError(f"{path}: key {key!r} is not a string")
        return {key: _json_value(item, f"{path}.{key}", depth + 1) for key, item in value.items()}
    raise ProtocolError(f"{path}: {_shown(value)} is not a JSON value")


def _refuse_constant(text: str) -> Any:
    raise ValueError(f"{text} is not a finite number")


def _shown(value: Any) -> str:
    text = repr(value)
    return f"{text if len(text) <= 60 else text[:57] + '...'} ({type(value).__name__})"
