"""Params that say which values they take: Airflow's ``Param``, a default with a JSON Schema.

See https://airflow.apache.org/docs/apache-airflow/stable/core-concepts/params.html.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

TYPES = ("array", "boolean", "integer", "null", "number", "object", "string")
_OF_PARAM = ("default", "description", "description_md", "section", "source", "values_display")
_OF_JSON_SCHEMA = (
    *("type", "enum", "const", "title", "examples", "deprecated", "readOnly", "writeOnly", "format", "$comment"),
    *("pattern", "minLength", "maxLength", "contentEncoding", "contentMediaType"),
    *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    *("items", "prefixItems", "contains", "minContains", "maxContains", "minItems", "maxItems", "uniqueItems"),
    *("properties", "required", "additionalProperties", "patternProperties", "propertyNames"),
    *("minProperties", "maxProperties", "dependentRequired", "dependentSchemas", "unevaluatedProperties"),
    *("anyOf", "oneOf", "allOf", "not", "if", "then", "else"),
)
KEYS = frozenset((*_OF_PARAM, *_OF_JSON_SCHEMA))
_CLOSED_TYPES = frozenset(("boolean", "integer", "null", "number"))


class Missing:
    """Stands for a default that is not there: who triggers a run has to give a value."""

    def __repr__(self) -> str:
        """Say so."""
        return "no default"


MISSING = Missing()


@dataclass(frozen=True)
class ParamSchema:
    """A param.

    Attributes:
        default: Its value where nobody gives another, ``MISSING`` where somebody has to.
        schema: The JSON Schema of its values, empty for any.
        description: What it is, for people.
    """

    default: Any
    schema: Mapping[str, Any] = field(default_factory=dict)
    description: str | None = None

    @property
    def is_closed(self) -> bool:
        """Whether its author has said which values there are: an enum, an anchored pattern, numbers or yes and no."""
        return is_closed(self.schema)

    def check(self, value: Any) -> None:
        """Raise a ValueError unless a value is one of those that the schema takes."""
        if not self.schema:
            return
        from jsonschema import FormatChecker
        from jsonschema.validators import validator_for

        checker = validator_for(self.schema)(self.schema, format_checker=FormatChecker())
        for error in checker.iter_errors(value):
            place = "".join(f"[{part!r}]" for part in error.absolute_path)
            raise ValueError(f"{place}{': ' if place else ''}{error.message}")


def param_of(value: Any) -> ParamSchema:
    """Return a param as a pipeline's file has it: a value, or a mapping that is a schema.

    A mapping is a schema when it has ``type`` or ``enum``, and no key that neither Airflow's ``Param`` nor JSON Schema
    has; any other mapping is a value.

    Raises:
        ValueError: The schema is not one, or does not take its own default.
    """
    if not is_schema(value):
        return ParamSchema(value)
    schema = {str(key): item for key, item in value.items() if key not in ("default", "description")}
    types = schema.get("type", "string")
    for name in types if isinstance(types, list) else [types]:
        if name not in TYPES:
            raise ValueError(
                f"{name!r} is not a type: write {', '.join(TYPES)}; a param whose value is a mapping with the key "
                f"type is {{type: object, default: {{...}}}}"
            )
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError

    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        place = ".".join(map(str, error.absolute_path))
        raise ValueError(f"{f'{place}: ' if place else ''}{error.message}: that is not a JSON Schema") from error
    description = value.get("description")
    if description is not None and not isinstance(description, str):
        raise ValueError(f"description is {description!r}: write text")
    found = ParamSchema(value.get("default", MISSING), schema, description)
    if found.default is not MISSING:
        try:
            found.check(found.default)
        except ValueError as error:
            raise ValueError(f"default: {error}") from error
    return found


def is_schema(value: Any) -> bool:
    """Whether a param's value is a schema."""
    return isinstance(value, Mapping) and bool({"type", "enum"} & value.keys()) and value.keys() <= KEYS


def is_closed(schema: Mapping[str, Any]) -> bool:
    """Whether a JSON Schema takes only values that its author has said."""
    if "enum" in schema or "const" in schema:
        return True
    given = schema.get("type")
    types = frozenset(given if isinstance(given, list | tuple) else [given])
    if types <= _CLOSED_TYPES:
        return True
    if types <= _CLOSED_TYPES | {"string"}:
        return is_anchored(str(schema.get("pattern", "")))
    items = schema.get("items")
    return types <= _CLOSED_TYPES | {"array"} and isinstance(items, Mapping) and is_closed(items)


def is_anchored(pattern: str) -> bool:
    """Whether a regular expression is about the whole text: ``^...$``, with no ``|`` outside brackets."""
    if not (pattern.startswith("^") and pattern.endswith("$")):
        return False
    depth, escaped, in_class = 0, False, False
    for sign in pattern[:-1]:
        if escaped:
            escaped = False
        elif sign == "\\":
            escaped = True
        elif in_class:
            in_class = sign != "]"
        elif sign == "[":
            in_class = True
        elif sign == "|" and depth == 0:
            return False
        else:
            depth += (sign == "(") - (sign == ")")
    return not escaped and not in_class
