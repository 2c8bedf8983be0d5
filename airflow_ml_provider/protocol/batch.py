"""Between a batch_predict stage and its workers."""

BATCH_WORKER = "batch_worker"
"""The step (``AIRFLOW_ML_STEP``) of a process that predicts pieces of a dataset."""

INDEX_VARIABLE = "JOB_COMPLETION_INDEX"
"""Says which worker a process is, from 0; Kubernetes sets it in an indexed Job."""
