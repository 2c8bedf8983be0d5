"""MLflow's REST API; importing the MLflow client would cost every task 1.4 seconds.

The API: https://mlflow.org/docs/latest/api_reference/rest-api.html
"""
