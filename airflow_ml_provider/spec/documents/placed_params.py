"""Params of a stage from several places of a file: which of them holds, and where each was written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_ml_provider.spec.documents.document import KeyPath, Position

PARAMS = "params"


@dataclass(frozen=True)
class PlacedParams:
    """The value of ``params`` as a file has it, before it is checked.

    Attributes:
        value: A mapping, a reference such as ``tune.best_params``, or a list of both; of a list a later part overrides
            those before it.
        places: Where it was written, by the path below ``params``.
    """

    value: Any
    places: Mapping[KeyPath, Position] = field(default_factory=dict)

    @property
    def has_parts(self) -> bool:
        """Whether it is a reference, or a list, so that it is not merged key by key."""
        return isinstance(self.value, list | str)

    def then(self, later: PlacedParams) -> PlacedParams:
        """Return both as one list, of which the later overrides this one: no reference is lost."""
        first, second = self._as_list(), later._as_list()
        moved = {(int(path[0]) + len(first.value), *path[1:]): place for path, place in second.places.items() if path}
        return PlacedParams([*first.value, *second.value], {**first.places, **moved})

    def changed(self, changes: PlacedParams) -> PlacedParams:
        """Return it with some params set to others: those alone change, the references and the dependencies stay.

        Args:
            changes: A mapping; ``None`` takes a param out that stands in the file.
        """
        first = self._as_list()
        kept = [
            {name: value for name, value in part.items() if name not in changes.value}
            if isinstance(part, Mapping)
            else part
            for part in first.value
        ]
        places = {path: place for path, place in first.places.items() if len(path) < 2 or path[1] not in changes.value}
        own = {name: value for part in first.value if isinstance(part, Mapping) for name, value in part.items()}
        given = {name: _patched(own.get(name), value) for name, value in changes.value.items() if value is not None}
        return PlacedParams(kept, places).then(PlacedParams(given, changes.places))

    def _as_list(self) -> PlacedParams:
        if isinstance(self.value, list):
            return self
        below = {(0, *path): place for path, place in self.places.items()}
        return PlacedParams([self.value], below | {path: place for path, place in self.places.items() if not path})


def _patched(target: Any, patch: Any) -> Any:
    """Return a value with a JSON Merge Patch applied (https://www.rfc-editor.org/rfc/rfc7396)."""
    if not isinstance(patch, Mapping):
        return patch
    merged = dict(target) if isinstance(target, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = _patched(merged.get(name), value)
    return merged
