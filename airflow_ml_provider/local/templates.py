"""Templates of a local run: the part of Airflow's context that needs no database.

What is there is as in https://airflow.apache.org/docs/apache-airflow/stable/templates-ref.html.
"""

from __future__ import annotations

import datetime as dt
import json
import time
import uuid
from collections.abc import Callable, Mapping
from functools import cached_property
from random import random
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.attempts.identity import StageIdentity
from airflow_ml_provider.errors import StageConfigurationError
from airflow_ml_provider.execution.templates import AS_TEXT, JSON_FIELDS, null_or_text, rendered_json
from airflow_ml_provider.local.connections import VARIABLE_PREFIX, EnvironmentConnections
from airflow_ml_provider.reuse.forecast import UnknownUntilRunError

if TYPE_CHECKING:
    from jinja2 import Environment


class TemplateFailedError(StageConfigurationError):
    """A template asks for what is not there, or not without Airflow."""


class Templates:
    """Renders the fields of the stages of one run.

    Args:
        params: The run's params.
        logical_date: The run's date, in UTC; ``None`` where there is no run yet, and nothing of it is known.
        environment: Where variables and connections stand.
    """

    def __init__(
        self, *, params: Mapping[str, Any], logical_date: dt.datetime | None, environment: Mapping[str, str]
    ) -> None:
        self._params = params
        self._logical_date = logical_date
        self._environment = environment

    def render(self, name: str, value: Any, *, identity: StageIdentity, resolve: Callable[[Any], Any]) -> Any:
        """Return the value of a field.

        Args:
            name: The field.
            value: What was written.
            identity: The stage.
            resolve: Makes of something that stands for another stage's output that output, which is not a template.

        Raises:
            TemplateFailedError: A template asks for what is not there, or not without Airflow.
            StageConfigurationError: A template asks for what no template may have.
        """
        if not _has_template(value):
            # As Jinja does with any text, a template or not.
            return _each(value, lambda item: _without_newline(item) if isinstance(item, str) else resolve(item))
        from jinja2.exceptions import SecurityError

        def text(content: Any) -> Any:
            return _each(content, lambda item: self._text(item, variables) if isinstance(item, str) else resolve(item))

        variables = self._variables(identity)
        try:
            if name in JSON_FIELDS:
                return rendered_json(value, variables, self._jinja, text=text)
            return text(value)
        except SecurityError as error:
            raise StageConfigurationError(f"stage {identity.stage!r}: {name}: {error}") from error
        except UnknownUntilRunError:
            raise
        except Exception as error:  # an expression may raise anything
            raise TemplateFailedError(
                f"stage {identity.stage!r}: a template in {name} cannot be rendered here: {error}; correct it, or, if "
                f"it asks for what only Airflow knows, run with --airflow"
            ) from error

    def _text(self, content: str, variables: Mapping[str, Any]) -> Any:
        found = null_or_text(content, variables, self._jinja)
        return self._jinja.from_string(content).render(variables) if found is AS_TEXT else found

    @cached_property
    def _jinja(self) -> Environment:
        import jinja2
        import jinja2.sandbox

        class SandboxedEnvironment(jinja2.sandbox.SandboxedEnvironment):
            def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
                # As in Airflow: names may begin with one underscore.
                return not jinja2.sandbox.is_internal_attribute(obj, attr)

        made = SandboxedEnvironment(undefined=jinja2.StrictUndefined, extensions=["jinja2.ext.do"], cache_size=0)
        made.filters.update(_FILTERS)
        return made

    def _variables(self, identity: StageIdentity) -> Mapping[str, Any]:
        instance = SimpleNamespace(
            dag_id=identity.pipeline,
            task_id=identity.stage,
            run_id=identity.dag_run,
            map_index=identity.map_index,
            try_number=identity.try_number,
        )
        known = {
            "params": self._params,
            "ti": instance,
            "task_instance": instance,
            "task": SimpleNamespace(task_id=identity.stage),
            "dag": SimpleNamespace(dag_id=identity.pipeline),
        }
        return known if self._logical_date is None else {**known, **self._of_a_run(identity, self._logical_date)}

    def _of_a_run(self, identity: StageIdentity, logical_date: dt.datetime) -> Mapping[str, Any]:
        # Dates have pendulum's methods in Airflow; it takes a moment to import.
        import pendulum

        date = pendulum.instance(logical_date)
        day, moment = date.strftime("%Y-%m-%d"), date.isoformat()
        return {
            "run_id": identity.dag_run,
            "dag_run": SimpleNamespace(
                dag_id=identity.pipeline, run_id=identity.dag_run, logical_date=date, conf={}, partition_key=None
            ),
            "partition_key": None,
            "logical_date": date,
            "data_interval_start": date,
            "data_interval_end": date,
            "ds": day,
            "ds_nodash": day.replace("-", ""),
            "ts": moment,
            "ts_nodash": date.strftime("%Y%m%dT%H%M%S"),
            "ts_nodash_with_tz": moment.replace("-", "").replace(":", ""),
            "macros": _MACROS,
            "var": SimpleNamespace(
                value=_Variables(self._environment, read=str), json=_Variables(self._environment, read=json.loads)
            ),
            "conn": _Connections(self._environment),
        }


class _Variables:
    def __init__(self, environment: Mapping[str, str], *, read: Callable[[str], Any]) -> None:
        self._environment = environment
        self._read = read

    def __getattr__(self, name: str) -> Any:
        variable = f"{VARIABLE_PREFIX}{name.upper()}"
        if variable not in self._environment:
            raise AttributeError(f"no variable {name!r}: set {variable}")
        return self._read(self._environment[variable])

    def get(self, name: str, default: Any = None) -> Any:
        try:
            return getattr(self, name)
        except AttributeError:
            return default


class _Connections:
    def __init__(self, environment: Mapping[str, str]) -> None:
        self._connections = EnvironmentConnections(environment)

    def __getattr__(self, name: str) -> Any:
        found = self._connections.find(name)
        if found is None:
            raise AttributeError(f"no connection {name!r}: set AIRFLOW_CONN_{name.upper()}")
        return found

    def get(self, name: str, default_conn: Any = None) -> Any:
        return self._connections.find(name) or default_conn


def _ds_add(ds: str, days: int) -> str:
    return (dt.datetime.strptime(str(ds), "%Y-%m-%d") + dt.timedelta(days=days)).strftime("%Y-%m-%d")


def _ds_format(ds: str, input_format: str, output_format: str) -> str:
    return dt.datetime.strptime(str(ds), input_format).strftime(output_format)


_MACROS = SimpleNamespace(
    datetime=dt.datetime,
    timedelta=dt.timedelta,
    time=time,
    uuid=uuid,
    json=json,
    random=random,
    ds_add=_ds_add,
    ds_format=_ds_format,
)


def _formatted(layout: str) -> Callable[[Any], str | None]:
    return lambda value: None if value is None else value.strftime(layout)


_FILTERS: Mapping[str, Callable[[Any], str | None]] = {
    "ds": _formatted("%Y-%m-%d"),
    "ds_nodash": _formatted("%Y%m%d"),
    "ts": lambda value: None if value is None else value.isoformat(),
    "ts_nodash": _formatted("%Y%m%dT%H%M%S"),
    "ts_nodash_with_tz": lambda value: None if value is None else value.isoformat().replace("-", "").replace(":", ""),
}


def _has_template(value: Any) -> bool:
    if isinstance(value, str):
        return "{{" in value or "{%" in value or "{#" in value
    if isinstance(value, Mapping):
        return any(map(_has_template, value.values()))
    return isinstance(value, list | tuple) and any(map(_has_template, value))


def _without_newline(text: str) -> str:
    return text.removesuffix("\n")


def _each(value: Any, change: Callable[[Any], Any]) -> Any:
    """Return a value with each part of it changed that is neither a mapping nor a list."""
    if isinstance(value, dict):
        return {key: _each(item, change) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_each(item, change) for item in value)
    return change(value)
