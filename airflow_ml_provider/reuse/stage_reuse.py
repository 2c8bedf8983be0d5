"""A stage's earlier result: found before it runs, kept after it ran."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_ml_provider import __version__
from airflow_ml_provider.artifacts.errors import StoreAwayError, StoreError
from airflow_ml_provider.artifacts.layout import attempt_uri, join
from airflow_ml_provider.artifacts.objects import read_object, write_object
from airflow_ml_provider.artifacts.results import KeptResult, ResultStore, UnusableResultError
from airflow_ml_provider.artifacts.store import ArtifactStore
from airflow_ml_provider.decisions.provenance import Provenance, by_content, unreproducible
from airflow_ml_provider.decisions.reuse import CachePolicy, Reuse, verdict
from airflow_ml_provider.protocol.metrics import DEFAULT_PARAMS
from airflow_ml_provider.protocol.names import BODIES, REUSE_PARAM

if TYPE_CHECKING:
    from airflow_ml_provider.attempts.run_context import RunContext
    from airflow_ml_provider.kinds.stage import Stage
    from airflow_ml_provider.protocol.request import StageRequest
    from airflow_ml_provider.protocol.result import StageResult

CACHE_XCOM = "cache"
CACHE_TAG = "airflow_ml.cache"
REUSED_FROM_TAG = "airflow_ml.reused_from"
_DELIVERED = "airflow_ml_delivered"
_NOTE = "_provenance.json"


@dataclass(frozen=True)
class Considered:
    """What was found of a stage's earlier results.

    Attributes:
        reuse: The verdict.
        kept: The result to take, ``None`` when the stage runs.
        provenance: What the result depends on, ``None`` when it can neither be taken nor kept.
    """

    reuse: Reuse
    kept: KeptResult | None = None
    provenance: Provenance | None = None


class StageReuse:
    """Earlier results of one task instance of a stage whose cache is on.

    Args:
        stage: The stage.
        run: The task instance.
        image: Returns the image of the stage's pod, empty where none is named and for a process.
    """

    def __init__(self, stage: Stage, run: RunContext, *, image: Callable[[], str]) -> None:
        self._stage = stage
        self._run = run
        self._image = image
        self._identity = run.identity
        self._policy = stage.cache_policy or CachePolicy()
        self._results = ResultStore(run.identity.store)
        self._considered: Considered | None = None
        self._noted: KeptResult | None = None
        self._delivered_key = ""

    def consider(self, request: StageRequest) -> KeptResult | None:
        """Look for an earlier result of the same work, and say what came of it before anything else.

        Raises:
            StoreAwayError: The store did not answer.
        """
        self._considered = considered = self._consider(request)
        self._run.log.info("Stage %s %s", self._identity.label, considered.reuse)
        if self._stage.do_xcom_push:
            described = {"reused": considered.reuse.reused, "reason": considered.reuse.reason}
            self._run.outputs.push(CACHE_XCOM, described)
        return considered.kept

    def _consider(self, request: StageRequest) -> Considered:
        provenance = self.provenance(request)
        if isinstance(provenance, str):
            return Considered(Reuse(False, provenance))
        if self._run.params.get(REUSE_PARAM, True) is False:
            return Considered(Reuse(False, "this run is to reuse nothing"), None, provenance)
        if self._run.state.get(_DELIVERED) == provenance.key:
            reason = "this task was cleared after it had delivered the same result"
            return Considered(Reuse(False, reason), None, provenance)
        return self.forecast(provenance)

    def forecast(self, provenance: Provenance) -> Considered:
        """Decide from what is kept alone, whatever this task instance did before.

        Raises:
            StoreAwayError: The store did not answer.
        """
        before = self._results.last(pipeline=self._identity.pipeline, stage=self._identity.label)
        kept, flaw = None, ""
        try:
            kept = self._results.find(provenance.key)
        except UnusableResultError as error:
            flaw = str(error)
        if kept is None and not flaw and self._policy.ignore:
            kept = self._with_more(provenance, before)
        if kept is not None:
            flaw = _flaw(kept.result)
        reuse = verdict(
            found=(kept.dag_run, kept.kept_at) if kept else ("?", time.time()) if flaw else None,
            flaw=flaw,
            before=None if before is None else before.components,
            now_components=provenance.components,
            policy=self._policy,
            now=time.time(),
        )
        if not reuse.reused and before is not None and (described := self._changed_default(before)):
            reuse = Reuse(False, f"{described}, {reuse.reason}")
        return Considered(reuse, kept if reuse.reused else None, provenance)

    def _changed_default(self, before: KeptResult) -> str:
        """Say which param that the code takes by default has another value than in the last result; empty for none."""
        old = before.result.values.get(DEFAULT_PARAMS, {})
        new = self._stage.code_defaults() if old else {}
        names = [name for name in old if name in new and new[name] != old[name]]
        return f"params.{names[0]} {old[names[0]]!r} -> {new[names[0]]!r} by default" if names else ""

    def _with_more(self, provenance: Provenance, before: KeptResult | None) -> KeptResult | None:
        """Return a result that was kept when less was ignored, of work that is the same without what is ignored now."""

        def fits(kept: KeptResult) -> bool:
            return Provenance.of(kept.components, ignore=self._policy.ignore).key == provenance.key

        return before if before is not None and fits(before) else self._results.newest(fits)

    def provenance(self, request: StageRequest) -> Provenance | str:
        """Return what the result depends on, or why that is not known."""
        stage = self._stage
        if stage.never_reused:
            return stage.never_reused
        image = self._image()
        unknown = unreproducible(
            runner=self._run.settings.runner,
            image=image,
            trust_tag=self._policy.trust_tag,
            ships_code=request.code is not None,
            built_in=request.body in BODIES and not (request.run or request.command),
            uses_command=bool(request.command),
        )
        if unknown:
            return unknown
        parts = stage.result_depends_on(self._run, request)
        if isinstance(parts, str):
            return parts
        components: dict[str, Any] = {
            "protocol": request.protocol,
            "kind": request.kind,
            "outputs": dict(request.outputs),
            **({"version": self._policy.version} if self._policy.version else {}),
            **({"run": request.run} if request.run else {}),
            **({"command": list(request.command)} if request.command else {}),
            **({"body": request.body} if request.body else {}),
            **({"provider": __version__} if request.body in BODIES else {}),
            **({"code": request.code.digest} if request.code else {}),
            **({"image": image} if image else {"environment": _environment()}),
            **{f"params.{name}": by_content(value) for name, value in request.params.items()},
            **{f"options.{name}": by_content(value) for name, value in parts.items()},
            **{f"inputs.{name}": ref.digest for name, ref in request.inputs.items()},
        }
        return Provenance.of(components, ignore=self._policy.ignore)

    def note(self, attempt_uri: str, request: StageRequest) -> None:
        """Note next to an attempt what its result will depend on: a resumed task may see other code already.

        Raises:
            StoreUnavailableError: The store did not answer.
        """
        considered = self._considered
        provenance = considered.provenance if considered else self.provenance(request)
        if not isinstance(provenance, Provenance):
            write_object(join(attempt_uri, _NOTE), b"{}")
            return
        reason = considered.reuse.reason if considered else "the pod before it was lost"
        noted = {"components": provenance.components, "key": provenance.key, "reason": reason}
        write_object(join(attempt_uri, _NOTE), json.dumps(noted, sort_keys=True).encode())

    def tags(self, result: StageResult, *, request_anew: Callable[[], StageRequest]) -> dict[str, str]:
        """Return what MLflow is to know of where a result comes from.

        Args:
            result: The result.
            request_anew: Returns the stage's request as it would be made now, where what it reads may have changed.

        Raises:
            StoreUnavailableError: The store did not answer.
        """
        considered = self._considered
        if considered is not None and considered.kept is not None:
            kept = considered.kept
            return {CACHE_TAG: str(considered.reuse), REUSED_FROM_TAG: kept.mlflow_run or kept.dag_run}
        identity = self._identity
        try:
            noted = json.loads(read_object(join(attempt_uri(identity.stage_uri, result.attempt), _NOTE)))
        except FileNotFoundError:
            return {}
        if not noted or (self._stage.looks_outside and self._changed(noted["key"], request_anew)):
            return {}
        self._noted = KeptResult(
            key=noted["key"],
            components=noted["components"],
            result=result,
            pipeline=identity.pipeline,
            stage=identity.label,
            dag_run=identity.dag_run,
            kept_at=time.time(),
            reason=noted["reason"],
        )
        return {CACHE_TAG: f"runs because {noted['reason']}"}

    def delivered(self, *, mlflow_run: str) -> None:
        """Keep the result whose tags were asked for; a store error is only logged.

        Args:
            mlflow_run: The stage's MLflow run, empty when it is untracked.
        """
        considered, identity, noted = self._considered, self._identity, self._noted
        if considered is not None and (kept := considered.kept) is not None:
            reason, provenance = str(considered.reuse), considered.provenance
            if provenance is not None and kept.key != provenance.key:
                # Found next time without a look at all results.
                same = replace(kept, key=provenance.key, components=provenance.components)
                self._store(lambda: self._results.keep(same), same.key)
            self._store(
                lambda: self._results.deliver(kept, pipeline=identity.pipeline, stage=identity.label, reason=reason),
                kept.key,
            )
        elif noted is not None:
            self._store(lambda: self._results.keep(replace(noted, mlflow_run=mlflow_run)), noted.key)

    def _store(self, write: Callable[[], None], key: str) -> None:
        try:
            write()
        except StoreError as error:
            self._run.log.warning("What was delivered is not noted for reuse: %s", error)
        self._delivered_key = key

    def left(self) -> None:
        """Note that this task instance is done with the result: a clear of it runs anew."""
        if self._delivered_key:
            self._run.state.set(_DELIVERED, self._delivered_key)

    def _changed(self, key: str, request_anew: Callable[[], StageRequest]) -> bool:
        now = self.provenance(request_anew())
        if not isinstance(now, str) and now.key == key:
            return False
        self._run.log.info("What the stage reads changed while it ran: its result is not kept for reuse")
        return True


def _flaw(result: StageResult) -> str:
    for name, ref in result.outputs.items():
        try:
            ArtifactStore().require_whole(ref)
        except StoreAwayError:
            raise
        except StoreError as error:
            return f"output {name!r}: {error}"
    return ""


@cache
def _environment() -> str:
    """Return the Python and the packages of a worker, where the local runner finds what no code folder brings."""
    found = set()
    for folder in sys.path:
        if Path(folder).is_dir():
            found |= {path.name for path in Path(folder).iterdir() if path.name.endswith((".dist-info", ".egg-info"))}
    digest = sha256("\n".join(sorted(found)).encode()).hexdigest()[:12]
    return f"Python {sys.version.split()[0]}, packages {digest}"
