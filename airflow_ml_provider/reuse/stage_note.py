"""What is noted of a stage when its DAG is parsed, so that a plan needs neither its files nor their environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from typing import Any, Self

from airflow_ml_provider.artifacts.layout import content_uri
from airflow_ml_provider.protocol.artifact import ArtifactRef
from airflow_ml_provider.spec.references import Reference

_OUTPUT, _SECONDS = "__output", "__seconds"


@dataclass(frozen=True, kw_only=True)
class KeptFile:
    """What the store would hold of a file, or a folder of code, that goes with a stage.

    Attributes:
        digest: ``sha256:`` and 64 hexadecimal digits.
        size: In bytes.
        suffix: What its name in the store ends with.
    """

    digest: str
    size: int
    suffix: str

    def ref(self, store: str) -> ArtifactRef:
        """Return its reference in a store."""
        uri = content_uri(store, self.digest, self.suffix)
        return ArtifactRef(uri=uri, digest=self.digest, type="file", size=self.size)


@dataclass(frozen=True, kw_only=True)
class StageNote:
    """A stage as its DAG says it, JSON values.

    Attributes:
        kind: Its kind.
        runs: Its code, as people see it; empty for what is built in.
        runner: Where it runs; ``image``: in which image, empty where none is named.
        store: URI of its artifact store.
        mlflow: Its MLflow connection, empty where it is not tracked.
        inputs: Where its inputs come from, as people see it.
        outputs: Types of its outputs.
        cached: Whether earlier results of it are taken.
        arguments: Its arguments; references stand for outputs of other stages. Empty without a cache.
        files: What goes with it, by the path that its arguments name.
        defaults: What its function takes by default, by argument.
        params: The params that are its own.
        unknown: Why nothing can be said before a run, empty where it can.
        problem: Why it would fail, empty where nothing is known.
    """

    kind: str
    runs: str = ""
    runner: str = ""
    image: str = ""
    store: str = ""
    mlflow: str = ""
    inputs: Mapping[str, str] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)
    cached: bool = False
    arguments: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, KeptFile] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    params: Mapping[str, Any] = field(default_factory=dict)
    unknown: str = ""
    problem: str = ""

    def to_plain(self) -> dict[str, Any]:
        """Return the note as JSON values; what is empty is left out."""
        plain = {**asdict(self), "arguments": _plain(self.arguments)}
        return {name: value for name, value in plain.items() if value}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Self:
        """Return the note of what :meth:`to_plain` gave."""
        files = {path: KeptFile(**found) for path, found in plain.get("files", {}).items()}
        return cls(**{**plain, "files": files, "arguments": _restored(plain.get("arguments", {}))})


def _plain(value: Any) -> Any:
    match value:
        case Reference():
            return {_OUTPUT: [value.stage, value.output]}
        case timedelta():
            return {_SECONDS: value.total_seconds()}
        case Mapping():
            return {str(key): _plain(item) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_plain(item) for item in value]
    return value


def _restored(value: Any) -> Any:
    match value:
        case {"__output": [stage, output]}:
            return Reference(stage, output)
        case {"__seconds": seconds}:
            return timedelta(seconds=seconds)
        case dict():
            return {key: _restored(item) for key, item in value.items()}
        case list():
            return [_restored(item) for item in value]
    return value
