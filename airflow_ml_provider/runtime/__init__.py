"""What runs inside a stage: the standard library, the protocol and the artifact store, nothing of Airflow."""
