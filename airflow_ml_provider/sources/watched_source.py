"""One source of a pipeline: its claims, and a look at what is new in it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from airflow_ml_provider.artifacts.claims import SourceClaims
from airflow_ml_provider.artifacts.ledger import Ledger
from airflow_ml_provider.artifacts.source_files import objects
from airflow_ml_provider.decisions.data.new_data import Look, Looking
from airflow_ml_provider.decisions.data.settling import Marked, Quiet, Settling, Sightings, Unchanged
from airflow_ml_provider.errors import StageConfigurationError
from airflow_ml_provider.protocol.manifest import SourceObject
from airflow_ml_provider.sources.origins import (
    AssetEvents,
    Files,
    ModelVersions,
    Origin,
    SqlRows,
    is_partitioned,
    tagged,
    untagged,
)

EXCLUSIVE_STORES = ("file", "memory", "s3", "s3a")
"""Schemes of stores whose exclusive create was seen to hold; claims need it."""

EVENT_LOOKBACK_SECONDS = 3600.0
"""Events are kept in the order in which their transactions end, which is not that of their times."""
Events = Callable[[Ledger], Iterable[SourceObject]]
"""The events of an asset, which only a task can ask for."""


@dataclass(frozen=True)
class WatchedSource:
    """What sensor, trigger, claim and command line look at in the same way.

    Attributes:
        store: URI of the artifact store, where the claims are.
        pipeline: The pipeline's (DAG's) id.
        name: The source's name.
        origin: What it is of; a URI in it is absolute.
        settling: When an object is written to its end.
    """

    store: str
    pipeline: str
    name: str
    origin: Origin
    settling: Settling

    @property
    def claims(self) -> SourceClaims:
        """Its claims.

        Raises:
            StageConfigurationError: The store cannot create an object exactly once.
        """
        scheme = self.store.partition("://")[0]
        if scheme not in EXCLUSIVE_STORES:
            raise StageConfigurationError(
                f"sources need a store that creates an object exactly once; of {scheme}:// that is not known: use one "
                f"of {', '.join(EXCLUSIVE_STORES)}"
            )
        return SourceClaims(self.store, pipeline=self.pipeline, source=self.name)

    @property
    def kind(self) -> str:
        """What it is of, as claims say it."""
        return type(self.origin).__name__

    @property
    def lookback(self) -> float | None:
        """How far before what was given it is looked at; ``None`` when all of it is, at each look."""
        match self.origin:
            case SqlRows():
                return self.origin.lookback
            case AssetEvents():
                return EVENT_LOOKBACK_SECONDS
        return None

    def look(
        self,
        ledger: Ledger,
        *,
        limit: int,
        partition: str | None = None,
        earlier: Sightings | None = None,
        events: Events | None = None,
    ) -> Look:
        """Look once.

        Args:
            ledger: Its claims.
            limit: The most objects to return.
            partition: Only this one; ``None`` for any.
            earlier: What the look before saw.
            events: Of an asset.

        Raises:
            StoreError: It cannot be listed.
            SourceUnavailableError: Its database did not answer.
            MlflowError: MLflow did not answer.
        """
        now = time.time()
        looking = self.looking(ledger, now=now, limit=limit, partition=partition, earlier=earlier)
        for entry in self.listing(ledger, now=now, events=events):
            looking.add(entry)
        return looking.result()

    def looking(
        self,
        ledger: Ledger,
        *,
        now: float,
        limit: int,
        partition: str | None = None,
        earlier: Sightings | None = None,
    ) -> Looking:
        """Begin a look whose objects come from elsewhere; the arguments are those of :meth:`look`.

        Raises:
            StageConfigurationError: What was given of the source was of another kind.
        """
        if ledger.kind not in ("", self.kind):
            raise StageConfigurationError(
                f"source {self.name!r} of {self.pipeline!r} is of {self.kind}, and what runs were given of it was of "
                f"{ledger.kind}: call it otherwise, or begin anew with 'airflow-ml data reset'"
            )
        return Looking(
            is_handed_out=ledger.is_handed_out,
            now=now,
            settling=self.settling if isinstance(self.origin, Files | SqlRows) else Quiet(0.0),
            limit=limit,
            earlier=earlier,
            partition=partition,
            busy=ledger.busy() if is_partitioned(self.origin) else frozenset(),
            returned=ledger.returned,
        )

    def settled_look(
        self, ledger: Ledger, *, limit: int, partition: str | None = None, events: Events | None = None
    ) -> Look:
        """Look, and again when only a second look shows what is settled; it waits for that in between.

        Args and errors are those of :meth:`look`.
        """
        seen = self.look(ledger, limit=limit, partition=partition, events=events)
        if isinstance(self.settling, Unchanged) and seen.sightings:
            time.sleep(self.settling.seconds)
            seen = self.look(ledger, limit=limit, partition=partition, earlier=seen.sightings, events=events)
        return seen

    def to_plain(self) -> dict[str, Any]:
        """Return what ``from_plain`` reads."""
        parts = {"origin": tagged(self.origin), "settling": tagged(self.settling)}
        return {"store": self.store, "pipeline": self.pipeline, "name": self.name, **parts}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> WatchedSource:
        """Return what ``to_plain`` was called on.

        Raises:
            ProtocolError: It is of another version.
        """
        parts = {"origin": untagged(plain["origin"]), "settling": untagged(plain["settling"])}
        return cls(**{**plain, **parts})

    def listing(self, ledger: Ledger, *, now: float, events: Events | None = None) -> Iterable[SourceObject]:
        """Return all that may be new; errors are those of :meth:`look`."""
        match self.origin:
            case Files():
                marker = self.settling.marker if isinstance(self.settling, Marked) else None
                return objects(self.origin.uri, partition=self.origin.partition, marker=marker)
            case SqlRows():
                from airflow_ml_provider.sources.sql_rows import list_rows

                return list_rows(self.origin, ledger)
            case ModelVersions():
                from airflow_ml_provider.sources.model_versions import list_model_versions

                return list_model_versions(self.origin, ledger, now=now)
            case AssetEvents():
                if events is None:
                    raise StageConfigurationError(
                        f"source {self.name!r}: only a task of a run can ask for the events of asset "
                        f"{self.origin.asset!r}; schedule the DAG on the asset instead of waiting for it"
                    )
                return events(ledger)
