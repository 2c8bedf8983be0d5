"""What crosses the boundary between Airflow and a stage: one request in, one result out.

Standard library only. A stage container of any age speaks to an Airflow of any age through these classes;
``PROTOCOL_VERSION`` grows when a field is added, removed or changes its meaning.
"""

from airflow_ml_provider.protocol.artifact import ARTIFACT_TYPES, ArtifactRef
from airflow_ml_provider.protocol.errors import ProtocolError
from airflow_ml_provider.protocol.names import RESERVED_OUTPUTS, require_name
from airflow_ml_provider.protocol.request import StageRequest, Tracking
from airflow_ml_provider.protocol.result import FailureCategory, StageFailure, StageResult
from airflow_ml_provider.protocol.version import PROTOCOL_VERSION

__all__ = [
    "ARTIFACT_TYPES",
    "PROTOCOL_VERSION",
    "RESERVED_OUTPUTS",
    "ArtifactRef",
    "FailureCategory",
    "ProtocolError",
    "StageFailure",
    "StageRequest",
    "StageResult",
    "Tracking",
    "require_name",
]
