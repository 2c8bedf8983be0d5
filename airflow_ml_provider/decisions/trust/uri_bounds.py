"""Where data may come from when whoever triggers a run has a say in it.

A URI without a template is its author's word, and so is one that reads only names such as ``ds``. Any other has to lie
below the text before its first template, below the pipeline's folder, or below one of ``[ml] allowed_uris``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from airflow_ml_provider.decisions.trust.param_schemas import ParamSchema
from airflow_ml_provider.decisions.trust.template_names import TASK_INSTANCE
from airflow_ml_provider.decisions.trust.template_rules import open_names

if TYPE_CHECKING:
    from jinja2 import Environment

_LOCAL = re.compile(r"(?:file|local)://(?=/)")
_WILDCARD = re.compile(r"[*?\[]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_REMOTE_BOUND = re.compile(r"(?:[a-z0-9+.-]+::)*[a-z0-9+.-]+://[^/]+/.*")
_SYSTEM = ("/proc", "/sys", "/dev")


@dataclass(frozen=True)
class UriBounds:
    """What bounds the URIs of one pipeline.

    Attributes:
        folder: The folder of the pipeline's or DAG's file.
        allowed: ``[ml] allowed_uris``.
        store: The artifact store, which bounds what other tasks put out.
    """

    folder: str
    allowed: Sequence[str] = ()
    store: str = ""

    def require(
        self,
        written: Any,
        rendered: Any,
        *,
        params: Mapping[str, ParamSchema],
        environment: Environment | None = None,
    ) -> bool:
        """Raise a ValueError when a URI leaves its bounds; returns whether there were any.

        Args:
            written: The value of a field, its templates not rendered.
            rendered: The same, rendered.
            params: The params of the pipeline or task.
            environment: Jinja's, ``None`` for one with the usual delimiters.
        """
        bounded = False
        for template, value in _pairs(written, rendered):
            names = open_names(template, params, environment)
            for uri in _uris(value):
                if names:
                    bounded = True
                    self._require_one(template, uri, names)
                elif uri != template and _climbs(uri) and not _climbs(template):
                    raise ValueError(f"{uri!r} has '..', which {template!r} has not: it would leave its folder")
        return bounded

    def _require_one(self, template: str, uri: str, names: tuple[str, ...]) -> None:
        prefix = _prefix(template, self.folder)
        # What a stage put out lies in the store.
        own = [self.store] if self.store and all(name in TASK_INSTANCE for name in names) else []
        bounds = [*([prefix] if prefix else []), f"{self.folder}/", *own, *self.allowed]
        if _CONTROL.search(uri):
            raise ValueError(f"{uri!r} has a control character")
        if not any(_lies_below(uri, bound, self.folder) for bound in bounds):
            raise ValueError(
                f"{uri!r} is out of bounds: {template!r} reads {names[0]}, which whoever triggers a run may give any "
                f"value, so it has to lie below {_listed(prefix, self.folder)} or one of [ml] allowed_uris "
                f"({', '.join(self.allowed) or 'none'}); write the place before the template, such as "
                f"s3://raw/{{{{ ... }}}}, or add it to [ml] allowed_uris"
            )


def _listed(prefix: str, folder: str) -> str:
    return f"{prefix!r}, the pipeline's folder {folder!r}" if prefix else f"the pipeline's folder {folder!r}"


def _pairs(written: Any, rendered: Any) -> Iterator[tuple[str, Any]]:
    """Yield each text that was written with what it became; what was no text is wired by the author."""
    if isinstance(written, str):
        yield written, rendered
    elif isinstance(written, Mapping) and isinstance(rendered, Mapping):
        for key, item in written.items():
            yield from _pairs(item, rendered.get(key))
    elif isinstance(written, list | tuple) and isinstance(rendered, list | tuple):
        for item, result in zip(written, rendered, strict=False):
            yield from _pairs(item, result)


def _uris(value: Any) -> Iterator[str]:
    """Yield the URI of a rendered value: of an artifact's reference too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield str(value.get("uri", ""))


def _prefix(template: str, folder: str) -> str:
    """Return the place that an author wrote before the first template, empty where that is none."""
    starts = [found for mark in ("{{", "{%", "{#") if (found := template.find(mark)) >= 0]
    prefix = template[: min(starts, default=len(template))].rpartition("/")[0] + "/"
    if "://" in prefix and not _LOCAL.match(prefix):
        return prefix if _REMOTE_BOUND.fullmatch(prefix) else ""
    path = _LOCAL.sub("", prefix)
    return prefix if os.path.normpath(Path(folder, path)) != "/" and path != "/" else ""


def _lies_below(uri: str, bound: str, folder: str) -> bool:
    bound = bound if bound.endswith("/") else f"{bound}/"
    is_remote = "://" in bound and not _LOCAL.match(bound)
    if is_remote:
        rest = uri.removeprefix(bound)
        return uri.startswith(bound) and "::" not in rest and "://" not in rest and not _climbs(unquote(unquote(rest)))
    path = _LOCAL.sub("", uri)
    if "::" in uri or "://" in path or _climbs(path.removeprefix(_LOCAL.sub("", bound))):
        return False
    # Of a pattern the part before its first wildcard is a folder; what lies in it is looked at when it is listed.
    wildcard = _WILDCARD.search(path)
    fixed = path if wildcard is None else path[: wildcard.start()].rpartition("/")[0]
    real = os.path.realpath(Path(folder, fixed))
    place = os.path.realpath(Path(folder, _LOCAL.sub("", bound)))
    inside = place != "/" and (real == place or real.startswith(f"{place}/"))
    return inside and not any(real == system or real.startswith(f"{system}/") for system in _SYSTEM)


def _climbs(path: str) -> bool:
    return ".." in re.split(r"[/\\]", path)
