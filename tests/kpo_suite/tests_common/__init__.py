"""What upstream's tests import of Airflow's development tools, which no package has."""
