"""What a run is given of a source whose content only Airflow's side may read: connections stay out of pods."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from airflow_ml_provider.attempts.run_context import Events
from airflow_ml_provider.protocol.manifest import SourceObject
from airflow_ml_provider.sources.origins import AssetEvents, Files, ModelVersions, Origin, SqlRows

log = logging.getLogger(__name__)


def content_of(
    received: Events, origin: Origin, given: Sequence[SourceObject]
) -> tuple[Mapping[str, bytes], Sequence[SourceObject]]:
    """Return the files of the dataset by name, none when the stage copies them itself, and what is in them.

    Raises:
        SourceUnavailableError: The database did not answer.
        MlflowError: MLflow did not answer, or a version was deleted.
    """
    match origin:
        case Files():
            return {}, given
        case SqlRows():
            from airflow_ml_provider.sources.sql_rows import read_rows

            content, kept = read_rows(origin, given)
            if len(kept) < len(given):
                log.warning("%s of %s rows changed or vanished meanwhile: left out", len(given) - len(kept), len(given))
            return {"rows.csv": content}, kept
        case ModelVersions():
            from airflow_ml_provider.sources.model_versions import describe_versions

            return {"versions.jsonl": describe_versions(origin, given)}, given
        case AssetEvents():
            from airflow_ml_provider.sources.asset_events import describe_events

            return {"events.jsonl": describe_events(received, origin, given)}, given
