"""Which names a template reads, and which of them whoever triggers a run may give any value."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Environment, nodes

_SAFE = frozenset(
    (
        *("ds", "ds_nodash", "ts", "ts_nodash", "ts_nodash_with_tz", "logical_date", "run_id", "macros", "var", "conn"),
        *("data_interval_start", "data_interval_end", "prev_data_interval_start_success", "test_mode"),
        *("prev_data_interval_end_success", "prev_start_date_success", "prev_end_date_success", "expanded_ti_count"),
        # What Jinja itself brings.
        *("range", "dict", "lipsum", "cycler", "joiner", "namespace", "loop"),
    )
)
_SAFE_ATTRIBUTES = {
    "dag": frozenset(("dag_id",)),
    "task": frozenset(("task_id",)),
    "dag_run": frozenset(
        (
            *("dag_id", "run_id", "run_type", "logical_date", "data_interval_start", "data_interval_end"),
            *("start_date", "run_after", "queued_at"),
        )
    ),
    **dict.fromkeys(
        ("ti", "task_instance"), frozenset(("dag_id", "task_id", "run_id", "try_number", "map_index", "start_date"))
    ),
}
TASK_INSTANCE = ("ti", "task_instance")
"""What other tasks put out comes by these names."""


@dataclass(frozen=True)
class TemplateNames:
    """What a template reads.

    Attributes:
        params: The params that it reads by name.
        others: What else whoever triggers a run may choose, such as ``dag_run.conf``; ``params`` where the template
            reads params that it does not name.
    """

    params: frozenset[str]
    others: frozenset[str]

    def __bool__(self) -> bool:
        """Whether there is anything that whoever triggers a run may choose."""
        return bool(self.params or self.others)


NOTHING = TemplateNames(frozenset(), frozenset())


def names_in(text: str, environment: Environment | None = None) -> TemplateNames:
    """Return what a text reads as a template; nothing where it is not a template, or none that can be rendered.

    Args:
        text: The text.
        environment: Jinja's, ``None`` for one with the usual delimiters.
    """
    tree = syntax_tree(text, environment)
    if tree is None:
        return NOTHING
    found = list(_chosen(tree, assigned_names(tree) - {"params"}))
    return TemplateNames(
        frozenset(name for kind, name in found if kind == "param"),
        frozenset(name for kind, name in found if kind == "other"),
    )


def may_be_template(text: str, environment: Environment | None = None) -> bool:
    """Whether a text may be a template; most are not, and this is fast.

    Args:
        text: The text.
        environment: Jinja's, ``None`` for one with the usual delimiters.
    """
    if environment is None:
        return "{{" in text or "{%" in text
    return any(mark in text for mark in _marks(environment))


def syntax_tree(text: str, environment: Environment | None = None) -> nodes.Template | None:
    """Return a text as Jinja reads it, ``None`` where it is not a template, or none that can be rendered.

    Args:
        text: The text.
        environment: Jinja's, ``None`` for one with the usual delimiters.
    """
    if not may_be_template(text, environment):
        return None
    from jinja2.exceptions import TemplateSyntaxError

    try:
        return (environment or _environment()).parse(text)
    except TemplateSyntaxError:
        return None


def _marks(environment: Environment) -> tuple[str, ...]:
    found = (environment.variable_start_string, environment.block_start_string, environment.line_statement_prefix)
    return tuple(mark for mark in found if mark)


@cache
def _environment() -> Environment:
    import jinja2

    return jinja2.Environment(extensions=["jinja2.ext.do"], autoescape=False)  # noqa: S701


def assigned_names(tree: nodes.Node) -> frozenset[str]:
    """Return the names that a template gives to what it reads by other names."""
    from jinja2 import nodes

    return frozenset(name.name for name in tree.find_all(nodes.Name) if name.ctx != "load")


def _chosen(node: nodes.Node, safe: frozenset[str]) -> Iterator[tuple[str, str]]:
    from jinja2 import nodes

    if isinstance(node, nodes.Include | nodes.Import | nodes.FromImport | nodes.Extends):
        yield "other", "another template file"
    match node:
        case nodes.Getattr(node=nodes.Name(name=owner), attr=attribute):
            yield from _attribute(owner, attribute, safe)
            return
        case nodes.Getitem(node=nodes.Name(name=owner), arg=nodes.Const(value=str() as attribute)):
            yield from _attribute(owner, attribute, safe)
            return
        case nodes.Name(name=name, ctx="load") if name not in _SAFE | safe:
            yield "other", name
    for child in node.iter_child_nodes():
        yield from _chosen(child, safe)


def _attribute(owner: str, attribute: str, safe: frozenset[str]) -> Iterator[tuple[str, str]]:
    if owner == "params":
        # The methods of a mapping are no params, and bring all of them.
        yield ("other", owner) if attribute in _MAPPING else ("param", attribute)
    elif owner in _SAFE_ATTRIBUTES:
        if attribute not in _SAFE_ATTRIBUTES[owner]:
            yield "other", owner if owner in TASK_INSTANCE else f"{owner}.{attribute}"
    elif owner not in _SAFE | safe:
        yield "other", owner


_MAPPING = frozenset(("get", "items", "values", "keys", "dump", "get_param", "validate", "serialize"))
