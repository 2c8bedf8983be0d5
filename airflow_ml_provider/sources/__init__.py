"""Sources of new data: what is there, and which run has which of it.

What ``SourceOperator`` and ``NewDataSensor`` take is imported from here.
"""

from airflow_ml_provider.decisions.data.settling import Marked, Quiet, Unchanged
from airflow_ml_provider.sources.origins import AssetEvents, Files, ModelVersions, SqlRows

__all__ = ["AssetEvents", "Files", "Marked", "ModelVersions", "Quiet", "SqlRows", "Unchanged"]
