"""Which secrets a template reads: what it renders is in a pod's description, in MLflow and in the store."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from airflow_ml_provider.decisions.trust.template_names import assigned_names, syntax_tree
from airflow_ml_provider.protocol.secret_text import names_a_secret

if TYPE_CHECKING:
    from jinja2 import Environment, nodes

_OPEN = frozenset(("conn_id", "conn_type", "description", "host", "login", "port", "schema"))
"""What anybody may know of a connection."""
_CLOSED = frozenset(("extra", "get_extra_dejson", "get_password", "get_uri", "as_json", "to_dict"))
"""What holds secrets by another name."""
_EXTRA = "extra_dejson"
_ROOTS = ("conn", "var")
_OTHERS = ("dag_run", "params", "task_instance", "ti")
_ANY, _ALL = "[]", "()"
"""Stand for what is read by a name that is not written out, and for all there is."""


def secrets_read(text: str, environment: Environment | None = None) -> tuple[str, ...]:
    """Return what a text reads as a template that is secret, as it is written: ``conn.warehouse.password``.

    Args:
        text: The text.
        environment: Jinja's, ``None`` for one with the usual delimiters.
    """
    if not any(root in text for root in _ROOTS):
        return ()
    tree = syntax_tree(text, environment)
    if tree is None:
        return ()
    from jinja2 import nodes

    assigned = assigned_names(tree)
    if not any(name.name in _ROOTS and name.name not in assigned for name in tree.find_all(nodes.Name)):
        return ()
    return tuple(dict.fromkeys(_secrets(tree, assigned)))


def _secrets(node: nodes.Node, assigned: frozenset[str]) -> Iterator[str]:
    path = _path(node)
    if path and path[0] in _ROOTS and path[0] not in assigned:
        if _is_secret(path):
            yield ".".join(path).replace(f".{_ANY}", _ANY).replace(f".{_ALL}", _ALL)
        return
    # By another name: of a variable that the template sets, of an expression.
    name = _read_name(node)
    if (name in (*_CLOSED, _EXTRA) or names_a_secret(name)) and not (path and path[0] in _OTHERS):
        yield ".".join(path) or f"{name} of an expression"
        return
    for child in node.iter_child_nodes():
        yield from _secrets(child, assigned)


def _is_secret(path: list[str]) -> bool:
    if path[0] == "var":
        return len(path) < 3 or _ANY in path or _ALL in path or any(map(names_a_secret, path[2:]))
    if len(path) > 3 and path[2] == _EXTRA:
        return _ANY in path or _ALL in path or any(map(names_a_secret, path[3:]))
    return len(path) < 2 or path[1] in (_ANY, _ALL) or (len(path) > 2 and path[2] not in _OPEN)


def _read_name(node: nodes.Node) -> str:
    """Return the name by which a node reads something of another, empty where it does not."""
    from jinja2 import nodes

    match node:
        case nodes.Getattr(attr=name) | nodes.Getitem(arg=nodes.Const(value=str() as name)):
            return name
        case nodes.Filter(name="attr", args=[nodes.Const(value=str() as name)]):
            return name
    return ""


def _path(node: nodes.Node) -> list[str]:
    """Return the names from a variable to what is read of it; empty for anything else."""
    from jinja2 import nodes

    def below(owner: nodes.Node, name: str) -> list[str]:
        found = _path(owner)
        return [*found, name] if found else []

    match node:
        case nodes.Name(name=name):
            return [name]
        case nodes.Getattr(node=owner, attr=name) | nodes.Getitem(node=owner, arg=nodes.Const(value=str() as name)):
            return below(owner, name)
        case nodes.Filter(name="attr", node=nodes.Node() as owner, args=[nodes.Const(value=str() as name)]):
            return below(owner, name)
        case nodes.Getitem(node=owner) | nodes.Filter(name="attr", node=nodes.Node() as owner):
            return below(owner, _ANY)
        case nodes.Call(node=nodes.Getattr(node=owner, attr="get")):
            return below(owner, _asked_for(node))
        case nodes.Call(node=nodes.Getattr(node=owner, attr="items" | "values" | "copy" | "pop" | "popitem")):
            return below(owner, _ALL)
        case nodes.Call(node=called):
            return _path(called)
    return []


def _asked_for(call: nodes.Call) -> str:
    """Return the name that ``get`` asks for, where it is written out."""
    from jinja2 import nodes

    by_name = (one.value for one in call.kwargs if one.key in ("key", "conn_id"))
    asked = call.args[0] if call.args else next(by_name, None)
    return asked.value if isinstance(asked, nodes.Const) and isinstance(asked.value, str) else _ANY
