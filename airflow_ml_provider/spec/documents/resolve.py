"""One pipeline out of its file, its environment's changes, its defaults and variables; each value keeps its place.

The rules, in this order:

1. An environment's changes (``environments.NAME`` in the file, or the file ``pipeline.NAME.yaml`` next to it) are a
   JSON Merge Patch (RFC 7396): mappings are merged key by key, ``null`` removes a key, all else is replaced. But where
   ``params`` of a stage refer to other stages, a mapping changes the params that it names and no more.
2. ``defaults`` hold keys of stages: each stage is a merge patch over those of them that its kind knows.
3. ``${env:NAME}`` in a value is replaced by an environment variable.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from airflow_ml_provider.kind_registry import KindError
from airflow_ml_provider.protocol.environment import WITHHELD
from airflow_ml_provider.protocol.secret_text import names_a_secret
from airflow_ml_provider.spec.documents.document import Document, KeyPath, Position
from airflow_ml_provider.spec.documents.placed_params import PARAMS, PlacedParams
from airflow_ml_provider.spec.kinds import built_in_models, stage_model
from airflow_ml_provider.spec.problems import Problem, SpecError, did_you_mean

DEFAULTS = "defaults"
ENVIRONMENTS = "environments"

# Shells and other languages have a ``${...}`` of their own.
_NOT_EXPANDED = ("command", "run", "kind", "doc", "description")
_VARIABLE = re.compile(r"\$\$\{|\$\{(?P<source>[a-z]+):(?P<name>[^{}:]*?)(?::-(?P<default>[^{}]*))?\}")


def resolve(
    document: Document,
    *,
    environment: str | None,
    overlay: Document | None,
    variables: Mapping[str, str],
    patch: Mapping[str, Any] | None = None,
) -> Document:
    """Return the document that the pipeline is read from.

    Args:
        document: The pipeline's file.
        environment: The environment's name; ``None`` for the file as it stands.
        overlay: The environment's own file.
        variables: What ``${env:NAME}`` stands for.
        patch: What the caller changes, after the environment.

    Raises:
        SpecError: The environment is described twice, or a variable is not set.
    """
    merged = _Merge(document)
    environments = merged.value.pop(ENVIRONMENTS, None)
    if environments is not None:
        merged.require_mapping((ENVIRONMENTS,), environments)
    own = environments.get(environment) if environments and environment else None
    if own is not None and overlay is not None:
        raise SpecError(
            [
                document.problem(
                    (ENVIRONMENTS, str(environment)),
                    f"environment {environment!r} is described here and in {overlay.file}; keep one of them",
                )
            ]
        )
    if own is not None:
        merged.require_mapping((ENVIRONMENTS, str(environment)), own)
        merged.apply(document, own, below=(ENVIRONMENTS, str(environment)), part=f"{ENVIRONMENTS}.{environment}")
    if overlay is not None:
        if not isinstance(overlay.value, dict):
            raise SpecError([overlay.problem((), "an environment's file is a mapping of what is to be changed")])
        merged.apply(overlay, overlay.value, below=(), part=str(environment))
    if patch:
        merged.apply(_given(dict(patch)), dict(patch), below=(), part="given for this run")
    merged.fill_stages()
    merged.expand(variables)
    return merged.document()


class _Merge:
    def __init__(self, document: Document) -> None:
        self._base = document
        self.value: dict[str, Any] = dict(document.value)
        self._positions = dict(document.positions)
        self._lines = dict(document.lines)
        self._problems: list[Problem] = []
        self._changed = False

    def document(self) -> Document:
        document = replace(
            self._base,
            value=self.value,
            positions=self._positions,
            lines=self._lines,
            is_as_written=not self._changed,
        )
        if self._problems:
            raise SpecError(self._problems)
        return document

    def require_mapping(self, path: KeyPath, value: Any) -> None:
        if not isinstance(value, dict):
            raise SpecError([self._base.problem(path, f"a mapping is wanted, got {value!r}")])

    def apply(self, source: Document, patch: dict[str, Any], *, below: KeyPath, part: str) -> None:
        """Merge a patch over the value; its places become those of the patch."""
        if nested := patch.keys() & {ENVIRONMENTS}:
            raise SpecError([source.problem((*below, *nested), "an environment has no environments of its own")])
        self._lines |= source.lines
        self._changed = True
        self._require_stages(source, patch, below)
        self.value = self._merge(self.value, patch, (), source=source, below=below, part=part)

    def _require_stages(self, source: Document, patch: dict[str, Any], below: KeyPath) -> None:
        """A stage that is changed is there; a new one says its kind."""
        stages, changed = self.value.get("stages"), patch.get("stages")
        if not (isinstance(stages, dict) and isinstance(changed, dict)):
            return
        for name, stage in changed.items():
            if name not in stages and isinstance(stage, dict) and "kind" not in stage:
                message = (
                    f"there is no stage {name!r} to change; there are {', '.join(stages)} (a new one needs a kind)"
                )
                path = (*below, "stages", name)
                self._problems.append(source.problem(path, message + did_you_mean(str(name), stages)))

    def _merge(
        self, target: Any, patch: Any, path: KeyPath, *, source: Document, below: KeyPath, part: str
    ) -> dict[str, Any]:
        merged = dict(target) if isinstance(target, dict) else {}
        for key, value in patch.items():
            here = (*path, key)
            if value is None:
                merged.pop(key, None)
                self._forget(here)
                continue
            if isinstance(value, dict) and isinstance(merged.get(key), dict):
                merged[key] = self._merge(merged[key], value, here, source=source, below=below, part=part)
                continue
            before = PlacedParams(merged.get(key), self._places(here))
            if isinstance(value, dict) and _is_params(here) and before.has_parts:
                self._forget(here)
                self._place(here, value, source, (*below, *here), part)
                merged[key] = self._put(here, before.changed(PlacedParams(value, self._places(here))))
                continue
            merged[key] = (
                self._merge({}, value, here, source=source, below=below, part=part)
                if isinstance(value, dict)
                else value
            )
            # What is in a mapping was placed when it was merged.
            self._place(here, None if isinstance(value, dict) else value, source, (*below, *here), part)
        return merged

    def _places(self, path: KeyPath) -> dict[KeyPath, Position]:
        """Return where a value and what is below it was written, by the path below it."""
        depth = len(path)
        return {written[depth:]: place for written, place in self._positions.items() if written[:depth] == path}

    def _put(self, path: KeyPath, params: PlacedParams) -> Any:
        """Take over the places of params; returns their value."""
        self._forget(path)
        self._positions |= {(*path, *below): place for below, place in params.places.items()}
        return params.value

    def _forget(self, path: KeyPath) -> None:
        depth = len(path)
        for written in [written for written in self._positions if written[:depth] == path]:
            del self._positions[written]

    def _place(self, path: KeyPath, value: Any, source: Document, origin: KeyPath, part: str) -> None:
        """Take over where a value and all below it was written."""
        if origin in source.positions:
            self._positions[path] = source.positions[origin]._replace(part=part)
        items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        for key, item in items:
            self._place((*path, key), item, source, (*origin, key), part)

    def fill_stages(self) -> None:
        """Give each stage the defaults that its kind knows."""
        defaults = self.value.pop(DEFAULTS, None)
        stages = self.value.get("stages")
        if defaults is None or not isinstance(stages, dict):
            return
        self._require_defaults(defaults)
        self._changed = True
        places = {path: _part(place, DEFAULTS) for path, place in self._places((DEFAULTS,)).items() if path}
        filled = {}
        for name, stage in stages.items():
            known, here = _known_keys(stage), ("stages", name)
            fitting = {key: value for key, value in defaults.items() if key in known}
            filled[name] = self._over(fitting, stage) if fitting else stage
            own = PlacedParams(stage.get(PARAMS) if fitting else None, self._places((*here, PARAMS)))
            below = {path[1:]: place for path, place in places.items() if path[0] == PARAMS}
            first = PlacedParams(fitting.get(PARAMS), below)
            if own.value is not None and first.value is not None and (own.has_parts or first.has_parts):
                del fitting[PARAMS]
                filled[name][PARAMS] = self._put((*here, PARAMS), first.then(own))
            for path, place in places.items():
                if path[0] in fitting:
                    self._positions.setdefault((*here, *path), place)
        self.value["stages"] = filled

    def _over(self, defaults: Any, own: Any) -> Any:
        if not (isinstance(defaults, dict) and isinstance(own, dict)):
            return own
        merged = {key: self._over(value, own[key]) if key in own else value for key, value in defaults.items()}
        merged |= {key: value for key, value in own.items() if key not in defaults}
        return {key: value for key, value in merged.items() if value is not None}

    def _require_defaults(self, defaults: Any) -> None:
        if not isinstance(defaults, dict):
            self._problems.append(
                self._problem((DEFAULTS,), f"a mapping of keys of stages is wanted, got {defaults!r}")
            )
            raise SpecError(self._problems)
        known = {key for model in built_in_models().values() for key in model.model_fields} - {"kind", "needs"}
        stages = self.value["stages"].values()
        known |= {key for stage in stages for key in _known_keys(stage)} - {"kind", "needs"}
        for key in defaults:
            if key not in known:
                hint = did_you_mean(str(key), known)
                message = f"no kind of stage has the key {key!r}; defaults are for all stages that know them{hint}"
                self._problems.append(self._problem((DEFAULTS, key), message))

    def _problem(self, path: KeyPath, message: str) -> Problem:
        return replace(self._base, positions=self._positions, lines=self._lines).problem(path, message)

    def expand(self, variables: Mapping[str, str]) -> None:
        """Replace ``${env:NAME}``."""
        if not self._changed and not any("${" in line for lines in self._lines.values() for line in lines):
            return
        self.value = {
            key: value if key in _NOT_EXPANDED else self._expanded(value, (key,), variables)
            for key, value in self.value.items()
        }

    def _expanded(self, value: Any, path: KeyPath, variables: Mapping[str, str]) -> Any:
        if isinstance(value, str):
            return self._text(value, path, variables) if "${" in value else value
        if isinstance(value, list):
            return [self._expanded(item, (*path, index), variables) for index, item in enumerate(value)]
        if isinstance(value, dict):
            is_stage = len(path) == 2 and path[0] == "stages"
            return {
                key: item if is_stage and key in _NOT_EXPANDED else self._expanded(item, (*path, key), variables)
                for key, item in value.items()
            }
        return value

    def _text(self, text: str, path: KeyPath, variables: Mapping[str, str]) -> str:
        def value_of(match: re.Match[str]) -> str:
            if match[0] == "$${":
                return "${"
            source, name, default = match["source"], match["name"], match["default"]
            message = None
            if source == "conn":
                wanted = name if "." in name else f"{name or 'NAME'}.host"
                message = (
                    f"{match[0]} would bring a connection into the file: write {{{{ conn.{wanted} }}}}, which Airflow "
                    f"reads when the stage runs"
                )
            elif source == "env" and name.startswith(WITHHELD):
                message = f"{match[0]} is Airflow's own and may be secret; no pipeline may hold it"
            elif source == "env" and names_a_secret(name):
                message = (
                    f"{match[0]} is secret by its name, and what a variable holds is in the parsed DAG for others to "
                    f"read: give the stage its secret with pod.secrets (docs/how-to/secrets.md)"
                )
            elif source != "env":
                message = f"{match[0]} has an unknown source {source!r}; known is env (write $${{ for the text itself)"
            elif name in variables:
                return variables[name]
            elif default is None:
                message = f"environment variable {name!r} is not set; set it, or write ${{env:{name}:-default}}"
            if message:
                self._problems.append(self._problem(path, message))
            return default or ""

        expanded = _VARIABLE.sub(value_of, text)
        if "${env" in _VARIABLE.sub("", text):
            message = f"{text!r} holds no variable: write ${{env:NAME}} or ${{env:NAME:-default}}"
            self._problems.append(self._problem(path, message))
        self._changed = self._changed or expanded != text
        return expanded


def _is_params(path: KeyPath) -> bool:
    return (len(path) == 3 and path[0] == "stages" and path[2] == PARAMS) or path == (DEFAULTS, PARAMS)


def _given(patch: dict[str, Any]) -> Document:
    """Return a patch that stands in no file."""
    positions: dict[KeyPath, Position] = {}

    def place(value: Any, path: KeyPath) -> None:
        positions[path] = Position("(given)", 1, 1)
        for key, item in value.items() if isinstance(value, dict) else ():
            place(item, (*path, key))

    place(patch, ())
    return Document("(given)", patch, positions)


def _known_keys(stage: Any) -> frozenset[str]:
    if not isinstance(stage, dict):
        return frozenset()
    try:
        return frozenset(stage_model(stage.get("kind")).model_fields)
    except KindError:
        return frozenset()


def _part(place: Position, part: str) -> Position:
    return place._replace(part=f"{place.part} {part}".strip())
