"""What a template of a field may read: the same rules for YAML, operators and local runs.

Whoever may only trigger a run gives its params and its ``conf`` any value. What a field does with that value decides:

- a value of a function or a report may be anything;
- a URI has to stay within bounds (:mod:`~airflow_ml_provider.decisions.trust.uri_bounds`);
- an argument of a command may be anything, as an argument of its own;
- everything else names something (an image, a Secret, a model, code): only params that the author has closed reach it.

No field may read a secret, whoever chose it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.decisions.trust.param_schemas import ParamSchema
from airflow_ml_provider.decisions.trust.template_names import may_be_template, names_in
from airflow_ml_provider.decisions.trust.template_secrets import secrets_read

if TYPE_CHECKING:
    from jinja2 import Environment

URI_FIELDS = frozenset(("code", "current", "example", "inputs", "reference", "suite", "uri"))
VALUE_FIELDS = frozenset(("hyperparameters", "op_args", "op_kwargs", "partition"))
COMMAND_FIELDS = frozenset(("arguments", "cmds", "command", "server"))
_SCRIPT_FOLLOWS = re.compile(r"-[a-zA-Z]*[ce]|--(?:command|eval|execute)|-(?i:command|encodedcommand)|/[cC]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def open_names(text: str, params: Mapping[str, ParamSchema], environment: Environment | None = None) -> tuple[str, ...]:
    """Return what of a template whoever triggers a run may give any value, as it is written in templates.

    Args:
        text: The template, or any text.
        params: The params of the pipeline or task.
        environment: Jinja's, ``None`` for one with the usual delimiters.
    """
    found = names_in(text, environment)
    opened = [f"params.{name}" for name in sorted(found.params) if name not in params or not params[name].is_closed]
    return (*opened, *sorted(found.others))


def names_something(field: str) -> bool:
    """Whether the values of an argument name something, so that the author has to close what reaches it."""
    return field not in (*VALUE_FIELDS, *URI_FIELDS, *COMMAND_FIELDS)


def require_allowed(
    field: str, value: Any, *, params: Mapping[str, ParamSchema], environment: Environment | None = None
) -> None:
    """Raise a ValueError when a template of a field reads what it may not.

    Args:
        field: The operator's argument.
        value: What was written there, its templates not rendered.
        params: The params of the pipeline or task.
        environment: Jinja's, ``None`` for one with the usual delimiters.
    """
    templates = [text for text in texts(value) if may_be_template(text, environment)]
    if not templates:
        return
    for text in templates:
        if secrets := secrets_read(text, environment):
            raise ValueError(
                f"{text!r} reads {secrets[0]}: what a template renders is in the stage's description, in MLflow and in "
                f"the store for others to read; give the stage its secret with pod.secrets (docs/how-to/secrets.md)"
            )
    if field in VALUE_FIELDS or field in URI_FIELDS:
        return
    is_command = field in COMMAND_FIELDS and isinstance(value, list | tuple)
    for number, text in enumerate(value) if is_command else enumerate(texts(value)):
        if not isinstance(text, str):
            continue
        names = open_names(text, params, environment)
        if not names:
            continue
        if not is_command:
            raise ValueError(_closed(text, names[0]))
        if number == 0:
            raise ValueError(f"the program is {text!r}: {_closed(text, names[0])}")
        if _is_script(value, number):
            raise ValueError(
                f"{text!r} puts {names[0]}, which whoever triggers a run may give any value, into the text of a "
                f"script: {_closing(names[0])}; or read it in the script: from the variable AIRFLOW_ML_PARAMS (params "
                f"of the stage, as JSON), or as an argument of its own ([sh, -c, 'echo \"$1\"', --, '{{{{ ... }}}}'])"
            )


def require_rendered(field: str, rendered: Any) -> None:
    """Raise a ValueError when a value that names something has a control character: a pattern's ``$`` passes one by."""
    for text in texts(rendered):
        if _CONTROL.search(text):
            raise ValueError(f"{field} is {text!r} once its templates are rendered: it has a control character")


def texts(value: Any) -> Iterator[str]:
    """Yield all texts of a value, keys too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from texts(key)
            yield from texts(item)
    elif isinstance(value, list | tuple | set | frozenset):
        for item in value:
            yield from texts(item)


def _is_script(command: Sequence[Any], number: int) -> bool:
    before = [part for part in command[:number] if part != "--"]
    return bool(before) and isinstance(before[-1], str) and bool(_SCRIPT_FOLLOWS.fullmatch(before[-1]))


def _closed(text: str, name: str) -> str:
    return f"{text!r} reads {name}, which whoever triggers a run may give any value: {_closing(name)}"


def _closing(name: str) -> str:
    owner, _, param = name.partition(".")
    if owner == "params" and param:
        return (
            f"say which there are, with an enum or a pattern from ^ to $: params: {{{param}: {{type: string, enum: "
            f"[...], default: ...}}}}"
        )
    return "write a param of the pipeline in its place, with an enum or a pattern from ^ to $"
