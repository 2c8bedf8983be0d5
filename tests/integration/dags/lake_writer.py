"""Writes a table that another pipeline is scheduled on."""

from airflow.sdk import DAG, Asset, PartitionedAtRuntime, task

TABLE = Asset("lake_table", uri="s3://lake/table")

with DAG("lake_writer", schedule=PartitionedAtRuntime(), params={"days": []}):

    @task(outlets=[TABLE])
    def write(params=None, outlet_events=None):
        """Say which partitions were written."""
        outlet_events[TABLE].add_partitions(params["days"])
        outlet_events[TABLE].extra = {"rows": 10}

    write()
