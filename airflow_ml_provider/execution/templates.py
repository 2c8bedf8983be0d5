"""Templates that are a whole value: what their expression is worth, and not its text.

``"{{ params.depth }}"`` is the number 4, a list, a mapping or null, as the expression gives it in Airflow's sandboxed
environment; ``"depth {{ params.depth }}"`` is text. Airflow's ``render_template_as_native_obj`` would read text as
Python's literals (``"1_1"`` as 11), outside the sandbox.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator as _Base
    from airflow.sdk import Context
    from jinja2 import Environment
else:
    _Base = object

JSON_FIELDS = ("hyperparameters", "inputs")
"""Template fields that hold JSON values; all others hold text."""
_AS_TEXT = object()


class JsonTemplates(_Base):
    """Mixin before an operator: renders templates that are a whole value as JSON values, where a field holds them."""

    def render_template(
        self,
        content: Any,
        context: Context,
        jinja_env: Environment | None = None,
        seen_oids: set[int] | None = None,
    ) -> Any:
        """Render a value; a text that is one template whose expression is null is null, and not the text ``None``."""
        if isinstance(content, str) and "{{" in content:
            found = _worth(content, context, jinja_env or self.get_template_env())
            if found is None or isinstance(found, str):
                return found
        return super().render_template(content, context, jinja_env, seen_oids)

    def render_field(self, name: str, value: Any, context: Context, jinja_env: Environment) -> Any:
        """Render the value of a template field; in JSON fields a template may be worth any JSON value."""
        if name not in JSON_FIELDS:
            return self.render_template(value, context, jinja_env)
        return self._rendered(value, context, jinja_env)

    def _rendered(self, value: Any, context: Context, jinja_env: Environment) -> Any:
        if isinstance(value, dict):
            return {key: self._rendered(item, context, jinja_env) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return type(value)(self._rendered(item, context, jinja_env) for item in value)
        found = _worth(value, context, jinja_env) if isinstance(value, str) else _AS_TEXT
        return self.render_template(value, context, jinja_env) if found is _AS_TEXT else found

    def _do_render_template_fields(
        self,
        parent: Any,
        template_fields: Iterable[str],
        context: Context,
        jinja_env: Environment,
        seen_oids: set[int],
    ) -> None:
        ours = [name for name in template_fields if parent is self and name in JSON_FIELDS]
        others = [name for name in template_fields if name not in ours]
        super()._do_render_template_fields(parent, others, context, jinja_env, seen_oids)
        for name in ours:
            setattr(self, name, self.render_field(name, getattr(self, name), context, jinja_env))


def _worth(text: str, context: Context, environment: Environment) -> Any:
    """Return what a text's only expression is worth as a JSON value; a mark of its own where it is rendered as text."""
    from jinja2 import Undefined
    from jinja2.exceptions import TemplateSyntaxError

    expression = _expression(text, environment)
    if expression is None:
        return _AS_TEXT
    try:
        compiled = environment.compile_expression(expression, undefined_to_none=False)
    except TemplateSyntaxError:
        # A tuple without parentheses is a template, and no expression.
        return _AS_TEXT
    found = compiled(**context)
    return _AS_TEXT if isinstance(found, Undefined) else _plain(found)


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
        return _AS_TEXT if any(item is _AS_TEXT for item in found.values()) else found
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        items = [_plain(item) for item in value]
        return _AS_TEXT if any(item is _AS_TEXT for item in items) else items
    return _AS_TEXT
