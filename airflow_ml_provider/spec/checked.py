"""A field that a function checks, with the JSON Schema that says the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema


@dataclass(frozen=True, eq=False)
class Checked:
    """An annotation: ``Annotated[str, Checked(function, {"type": "string"})]``.

    It takes the place of pydantic's BeforeValidator and WithJsonSchema. The function alone decides, so no schema of the
    annotated type is built: a pipeline's models are built at every parse of a DAG, and have a hundred such fields.

    Args:
        check: Returns the value, or raises a ValueError.
        json_schema: The JSON Schema.
        model: Returns the model of the value, where it has one.
    """

    check: Callable[[Any], Any]
    json_schema: Mapping[str, Any]
    model: Callable[[], type[BaseModel]] | None = None

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Return a schema that calls the function."""
        return core_schema.no_info_plain_validator_function(self.check)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Return the JSON Schema."""
        return dict(self.json_schema)
