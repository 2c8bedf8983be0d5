"""Pure decisions: state in, outcome out; no I/O, no clock, no Airflow."""
