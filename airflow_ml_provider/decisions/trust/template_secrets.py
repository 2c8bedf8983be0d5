"""Which secrets a template reads: what it renders is in a pod's description, in MLflow and in the store."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from airflow_ml_provider.decisions.trust.template_names import syntax_tree
from airflow_ml_provider.protocol.secret_text import names_a_secret

if TYPE_CHECKING:
    from jinja2 import Environment, nodes

_OPEN = frozenset(("conn_id", "conn_type", "description", "host", "login", "port", "schema"))
"""What anybody may know of a connection."""
_EXTRA = "extra_dejson"


def secrets_read(text: str, environment: Environment | None = None) -> tuple[str, ...]:
    """Return what a text reads as a template that is secret, as it is written: ``conn.warehouse.password``.

    Args:
        text: The text.
        environment: Jinja's, ``None`` for one with the usual delimiters.
    """
    if not ("conn" in text or "var" in text):
        return ()
    tree = syntax_tree(text, environment)
    return () if tree is None else tuple(dict.fromkeys(_secrets(tree)))


def _secrets(node: nodes.Node) -> Iterator[str]:
    path = _path(node)
    if path and path[0] in ("conn", "var"):
        if _is_secret(path):
            yield ".".join(path)
        return
    for child in node.iter_child_nodes():
        yield from _secrets(child)


def _is_secret(path: list[str]) -> bool:
    if path[0] == "var":
        return any(map(names_a_secret, path[2:]))
    if len(path) > 3 and path[2] == _EXTRA:
        return any(map(names_a_secret, path[3:]))
    return len(path) != 3 or path[2] not in _OPEN


def _path(node: nodes.Node) -> list[str]:
    """Return the names from a variable to what is read of it; empty for anything else."""
    from jinja2 import nodes

    match node:
        case nodes.Name(name=name):
            return [name]
        case nodes.Getattr(node=owner, attr=name) | nodes.Getitem(node=owner, arg=nodes.Const(value=str() as name)):
            found = _path(owner)
            return [*found, name] if found else []
        case nodes.Call(node=nodes.Getattr(node=owner, attr="get"), args=[nodes.Const(value=str() as name), *_]):
            found = _path(owner)
            return [*found, name] if found else []
        case nodes.Call(node=called):
            return _path(called)
    return []
