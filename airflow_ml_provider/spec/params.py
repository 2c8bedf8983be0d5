"""Params of a stage: values that stand in the file, and references to what another stage found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from airflow_ml_provider.spec.checked import Checked
from airflow_ml_provider.spec.fields import checked_json, checked_name
from airflow_ml_provider.spec.references import REFERENCE_PATTERN, Reference


class Params(dict[str, Any]):
    """The values that stand in the file, by name; they override what the references bring.

    Attributes:
        references: Results of other stages that hold params, by their place below ``params``.
    """

    def __init__(
        self, fixed: Mapping[str, Any] | None = None, references: Mapping[tuple[int, ...], Reference] | None = None
    ) -> None:
        super().__init__(fixed or {})
        self.references: dict[tuple[int, ...], Reference] = dict(references or {})


def _params(value: Any) -> Params:
    if isinstance(value, Params):
        return value
    if isinstance(value, str | Reference):
        return Params(references={(): value if isinstance(value, Reference) else Reference.parse(value)})
    if isinstance(value, list):
        return _parts(value)
    if not isinstance(value, Mapping):
        raise ValueError(
            f"{value!r} is neither a mapping of params, nor a reference such as tune.best_params, nor a list of both"
        )
    return Params(_fixed(value, ()))


def _parts(parts: list[Any]) -> Params:
    found = Params()
    for index, part in enumerate(parts):
        if isinstance(part, Mapping):
            found.update(_fixed(part, (index,)))
            continue
        try:
            found.references[(index,)] = part if isinstance(part, Reference) else Reference.parse(part)
        except ValueError as error:
            raise _error([((index,), str(error), part)]) from error
    return found


def _fixed(values: Mapping[Any, Any], where: tuple[int, ...]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    problems: list[tuple[tuple[int | str, ...], str, Any]] = []
    for name, value in values.items():
        try:
            found[checked_name(name)] = checked_json(value)
        except ValueError as error:
            problems.append(((*where, str(name)), str(error), value))
    if problems:
        raise _error(problems)
    return found


def _error(problems: list[tuple[tuple[int | str, ...], str, Any]]) -> ValidationError:
    details = [
        InitErrorDetails(type=PydanticCustomError("params", "{message}", {"message": message}), loc=where, input=value)
        for where, message, value in problems
    ]
    return ValidationError.from_exception_data("params", details)


_VALUES = {
    "type": "object",
    "additionalProperties": {"type": ["array", "boolean", "null", "number", "object", "string"]},
}
_REFERENCE = {"type": "string", "pattern": f"^{REFERENCE_PATTERN.pattern}$"}
ParamsField = Annotated[
    Params,
    Checked(_params, {"anyOf": [_VALUES, _REFERENCE, {"type": "array", "items": {"anyOf": [_VALUES, _REFERENCE]}}]}),
]
