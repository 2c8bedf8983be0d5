"""Sensors."""

from airflow_ml_provider.sensors.new_data import NewDataSensor

__all__ = ["NewDataSensor"]
