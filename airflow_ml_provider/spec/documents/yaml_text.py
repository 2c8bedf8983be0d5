"""Plain values as YAML that every reader understands alike."""

from __future__ import annotations

from typing import Any

import yaml

from airflow_ml_provider.spec.documents.yaml_source import is_ambiguous

_Base: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class _Dumper(_Base):  # type: ignore[misc]
    """Quotes what some readers would take for something else than text, and writes no aliases."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: Any, value: str) -> yaml.ScalarNode:
    style = "'" if is_ambiguous(value) else "|" if "\n" in value else None
    node: yaml.ScalarNode = dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)
    return node


_Dumper.add_representer(str, _text)


def to_yaml(value: Any, *, flow: bool = False, width: int = 120) -> str:
    """Return YAML text.

    Args:
        value: Dicts, lists and scalars.
        flow: Whether to write it on one line.
        width: Characters of a line.
    """
    text: str = yaml.dump(
        value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=width, default_flow_style=flow
    )
    return text
