"""Mixin before an operator: its templates read only what they may, and URIs stay within bounds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk.definitions.param import DagParam

from airflow_ml_provider.decisions.trust.param_schemas import ParamSchema
from airflow_ml_provider.decisions.trust.template_rules import (
    URI_FIELDS,
    names_something,
    require_allowed,
    require_rendered,
)
from airflow_ml_provider.errors import StageConfigurationError, settings_of
from airflow_ml_provider.exceptions import raised_as_airflow
from airflow_ml_provider.tasks.params import schemas_of

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator as _Base
    from airflow.sdk import Context
    from jinja2 import Environment

    from airflow_ml_provider.decisions.trust.uri_bounds import UriBounds
else:
    _Base = object


class CheckedTemplates(_Base):
    """Refuses, when the DAG is parsed and again in the task, what ``decisions/trust/template_rules.py`` does not allow.

    Attributes:
        bounded_uris: The URI fields of which whoever triggered the run chose a part.
    """

    value_fields: ClassVar[frozenset[str]] = frozenset()
    """Template fields of a kind of your own that may have any value: they name nothing and are no URI."""
    bounded_uris: frozenset[str] = frozenset()
    trusts_caller: ClassVar[bool] = False
    """Whether whoever starts a run may read what this process may: on a laptop it is who wrote the pipeline."""
    _defaults: Mapping[str, Any] | None = None

    @raised_as_airflow()
    def prepare_template(self) -> None:
        """Check what the templates read, when the DAG is complete, and keep what its author gave the params."""
        super().prepare_template()
        params = self._params()
        # A run's params take the place of the defaults.
        self._defaults = {name: found.default for name, found in params.items()}
        self._require_allowed({name: getattr(self, name, None) for name in self.template_fields}, params, None)

    def uri_bounds(self, context: Context) -> UriBounds:
        """Return what bounds the URIs of the operator's fields."""
        raise AssertionError(f"{type(self).__name__} has no URIs")

    def uris_of(self, field: str, value: Any) -> Any:
        """Return what of a field's value are URIs, ``None`` for nothing."""
        return value if field in URI_FIELDS else None

    @raised_as_airflow()
    def _do_render_template_fields(
        self,
        parent: Any,
        template_fields: Iterable[str],
        context: Context,
        jinja_env: Environment,
        seen_oids: set[int],
    ) -> None:
        fields = tuple(template_fields)
        if parent is not self:
            super()._do_render_template_fields(parent, fields, context, jinja_env, seen_oids)
            return
        written = {name: _written(getattr(self, name, None), seen_oids) for name in fields}
        self._require_allowed(written, self._params(), jinja_env)
        super()._do_render_template_fields(parent, fields, context, jinja_env, seen_oids)
        params, bounded = self._chosen(context), []
        for name in fields:
            rendered = getattr(self, name, None)
            with settings_of(self.task_id):
                if uris := not self.trusts_caller and self.uris_of(name, written[name]):
                    found = self.uris_of(name, rendered)
                    if self.uri_bounds(context).require(uris, found, params=params, environment=jinja_env):
                        bounded.append(name)
                elif rendered != written[name] and names_something(name) and name not in self.value_fields:
                    require_rendered(name, rendered)
        self.bounded_uris = frozenset(bounded)

    def _chosen(self, context: Context) -> dict[str, ParamSchema]:
        """Return the params of a run; those to which nobody gave another value are their author's word."""
        run = context.get("dag_run")
        given: Mapping[str, Any] = (run.conf if run else None) or {}
        values, known = context["params"], self._defaults or {}
        return {
            name: found
            if name in given and not (name in known and values.get(name) == known[name])
            else ParamSchema(found.default, {"const": found.default})
            for name, found in self._params().items()
        }

    def _require_allowed(
        self, written: Mapping[str, Any], params: Mapping[str, ParamSchema], environment: Environment | None
    ) -> None:
        for name, value in written.items():
            if value and name not in self.value_fields:
                try:
                    require_allowed(name, _plain(value), params=params, environment=environment)
                except ValueError as error:
                    raise StageConfigurationError(f"stage {self.task_id!r}: {name}: {error}") from error

    def _params(self) -> dict[str, ParamSchema]:
        has_dag: bool = self.has_dag()  # type: ignore[no-untyped-call]
        return schemas_of(self.dag.params if has_dag else None, self.params)


def _written(value: Any, rendered_already: set[int]) -> Any:
    """Return a field's value before it is rendered, without what came from another task, which is not a template."""
    return None if id(value) in rendered_already else _plain(value)


def _plain(value: Any) -> Any:
    """Return a value in which params and objects of Kubernetes are as they would be in a template and in YAML."""
    if isinstance(value, DagParam):
        return "{{ dag_run.conf }}"
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    to_dict = getattr(value, "to_dict", None)
    return to_dict() if to_dict is not None and hasattr(value, "openapi_types") else value
