from airflow_ml_provider.dag_factory import load_dags

globals().update(load_dags(__file__))
