"""What a stage's result depends on, as named components, and the key that they make.

The key follows the components of a derivation in Nix and of an action in Bazel's remote cache: all that goes in, by
content, and nothing of where it lies.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from airflow_ml_provider.protocol.plain_text import one_line

IGNORABLE = ("code", "environment", "image", "inputs", "options", "params")
"""What a user may say not to count; of inputs, options and params also a single one (``params.seed``)."""
DIGEST_MARK = "@sha256:"
_SHOWN = 60
# In the order in which a person looks for what changed.
_ORDER = ("version", "protocol", "kind", "run", "command", "body", "code", "image", "environment", "params", "options")


@dataclass(frozen=True)
class Provenance:
    """What a result depends on.

    Attributes:
        components: JSON values by name: ``kind``, ``code``, ``params.max_depth``, ``inputs.train``.
        key: The digest of all of them.
    """

    components: Mapping[str, Any]
    key: str

    @classmethod
    def of(cls, components: Mapping[str, Any], *, ignore: Collection[str] = ()) -> Provenance:
        """Make the key of components.

        Args:
            components: By name.
            ignore: Names of those that do not count; ``params`` stands for all params.
        """
        counted = {
            name: value
            for name, value in components.items()
            if name not in ignore and name.partition(".")[0] not in ignore
        }
        text = json.dumps(counted, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return cls(components=counted, key=f"sha256:{hashlib.sha256(text.encode()).hexdigest()}")


def by_content(value: Any) -> Any:
    """Return a JSON value with every artifact reference in it replaced by its digest."""
    if isinstance(value, Mapping):
        if {"uri", "digest", "type", "size"} == value.keys():
            return value["digest"]
        return {str(key): by_content(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [by_content(item) for item in value]
    return value


def first_difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """Say which component changed, the first in the order in which one looks for it; empty when none did."""
    changed = sorted((name for name in old.keys() | new.keys() if old.get(name) != new.get(name)), key=_place)
    if not changed:
        return ""
    name = changed[0]
    more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
    if name not in old:
        return f"{name} is new: {_shown(new[name])}{more}"
    if name not in new:
        return f"{name} is gone, it was {_shown(old[name])}{more}"
    return f"{name} {_shown(old[name])} -> {_shown(new[name])}{more}"


def unreproducible(
    *, runner: str, image: str, trust_tag: bool, ships_code: bool, built_in: bool, uses_command: bool
) -> str:
    """Return why the code that a stage runs is not known by content, empty when it is.

    Args:
        runner: ``local`` or ``kubernetes``.
        image: The image of its pod, empty when none is named.
        trust_tag: Whether a tag is taken for the content it stood for.
        ships_code: Whether the code travels with the stage.
        built_in: Whether the stage's body is the provider's own.
        uses_command: Whether it runs a command.
    """
    if runner == "local":
        if built_in or ships_code:
            return ""
        what = "command" if uses_command else "code"
        return f"its {what} does not travel with it, so that a change would not be seen: give code: a folder"
    if not image:
        return "its image is named by a pod template: give image: NAME@sha256:..."
    if DIGEST_MARK in image or trust_tag:
        return ""
    return (
        f"image {image} is a tag, which may stand for another image tomorrow: give NAME@sha256:..., or say "
        f"cache: {{image: trust-tag}}"
    )


def _place(name: str) -> tuple[int, str]:
    group = name.partition(".")[0]
    return (_ORDER.index(group) if group in _ORDER else len(_ORDER), name)


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    if text.startswith("sha256:"):
        return text[: len("sha256:") + 12]
    return one_line(text, _SHOWN)
