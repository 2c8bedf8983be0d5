"""Template fields of an operator that hold JSON values."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.execution.templates import AS_TEXT, JSON_FIELDS, null_or_text, rendered_json

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator as _Base
    from airflow.sdk import Context
    from jinja2 import Environment
else:
    _Base = object


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
        if isinstance(content, str) and not (seen_oids and id(content) in seen_oids):
            found = null_or_text(content, context, jinja_env or self.get_template_env())
            if found is not AS_TEXT:
                return found
        return super().render_template(content, context, jinja_env, seen_oids)

    def render_field(
        self, name: str, value: Any, context: Context, jinja_env: Environment, seen_oids: set[int] | None = None
    ) -> Any:
        """Render the value of a template field; in JSON fields a template may be worth any JSON value."""
        if name not in JSON_FIELDS:
            return self.render_template(value, context, jinja_env, seen_oids)
        if seen_oids is not None and id(value) in seen_oids:
            # What another task put out is no template.
            return value
        return rendered_json(
            value, context, jinja_env, text=lambda content: self.render_template(content, context, jinja_env, seen_oids)
        )

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
            setattr(self, name, self.render_field(name, getattr(self, name), context, jinja_env, seen_oids))
