"""Templates that are a whole value: what their expression is worth, and not its text.

``"{{ params.depth }}"`` is the number 4, a list, a mapping or null, as the expression gives it in Airflow's sandboxed
environment; ``"depth {{ params.depth }}"`` is text. Airflow's ``render_template_as_native_obj`` would read text as
Python's literals (``"1_1"`` as 11), outside the sandbox.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment

JSON_FIELDS = ("hyperparameters", "inputs")
"""Template fields that hold JSON values; all others hold text."""
AS_TEXT = object()
"""What a template is worth that is rendered as text."""


def rendered_json(
    value: Any, context: Mapping[str, Any], environment: Environment, *, text: Callable[[Any], Any]
) -> Any:
    """Render a value of a JSON field: a text that is one template is worth any JSON value.

    Args:
        value: What was written.
        context: The variables of templates.
        environment: Jinja's.
        text: Renders everything else.
    """
    if isinstance(value, dict):
        return {key: rendered_json(item, context, environment, text=text) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(rendered_json(item, context, environment, text=text) for item in value)
    found = worth(value, context, environment) if isinstance(value, str) else AS_TEXT
    return text(value) if found is AS_TEXT else found


def null_or_text(value: str, context: Mapping[str, Any], environment: Environment) -> Any:
    """Return the text or null that a text's only expression is worth, ``AS_TEXT`` for anything else."""
    if "{{" not in value:
        return AS_TEXT
    found = worth(value, context, environment)
    return found if found is None or isinstance(found, str) else AS_TEXT


def worth(text: str, context: Mapping[str, Any], environment: Environment) -> Any:
    """Return what a text's only expression is worth as a JSON value; ``AS_TEXT`` where it is rendered as text.

    Args:
        text: The template.
        context: Its variables.
        environment: Jinja's.
    """
    from jinja2 import Undefined
    from jinja2.exceptions import TemplateSyntaxError

    expression = _expression(text, environment)
    if expression is None:
        return AS_TEXT
    try:
        compiled = environment.compile_expression(expression, undefined_to_none=False)
    except TemplateSyntaxError:
        # A tuple without parentheses is a template, and no expression.
        return AS_TEXT
    found = compiled(**context)
    return AS_TEXT if isinstance(found, Undefined) else _plain(found)


def _expression(text: str, environment: Environment) -> str | None:
    """Return the expression of a text that is one template and nothing else."""
    from jinja2 import nodes
    from jinja2.exceptions import TemplateSyntaxError

    if not (text.startswith("{{") and text.endswith("}}")):
        return None
    try:
        (output,) = environment.parse(text).body
    except (TemplateSyntaxError, ValueError):
        return None
    parts = output.nodes if isinstance(output, nodes.Output) else []
    if len(parts) != 1 or isinstance(parts[0], nodes.TemplateData):
        return None
    # Next to the braces a sign says what becomes of white space.
    return text[3 if text[2] in "-+" else 2 : -3 if text[-3] in "-+" else -2]


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, Mapping):
        found = {str(key): _plain(item) for key, item in value.items()}
        return AS_TEXT if any(item is AS_TEXT for item in found.values()) else found
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        items = [_plain(item) for item in value]
        return AS_TEXT if any(item is AS_TEXT for item in items) else items
    return AS_TEXT
