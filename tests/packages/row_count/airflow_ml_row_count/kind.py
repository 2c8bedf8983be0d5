"""The kind row_count, by its parts."""

from airflow_ml_provider.kind_registry import Kind

KIND = Kind(
    model="airflow_ml_row_count.spec:RowCountSpec",
    stage="airflow_ml_row_count.stage:RowCountStage",
    operator="airflow_ml_row_count.operator:RowCountOperator",
)
