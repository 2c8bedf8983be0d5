"""Between the task of a tune stage, its study and its workers."""

WORKER = "worker"
"""The step (``AIRFLOW_ML_STEP``) of a process that runs trials of a study, instead of holding it."""

WORKER_VARIABLE = "AIRFLOW_ML_WORKER"
"""Names a worker, where the one who started it wants to know it again."""

LOCAL_VARIABLE = "AIRFLOW_ML_LOCAL"
"""Is set where a stage is a process of the worker's machine: a study then starts its workers itself."""

STUDY_STORAGE_VARIABLE = "AIRFLOW_ML_STUDY_STORAGE"
"""A database that Optuna keeps the study in, next to the store; a secret."""

NESTED_ALGORITHMS = {"wrapped_pruner": "pruner", "base_sampler": "sampler", "independent_sampler": "sampler"}
"""Options of Optuna's samplers and pruners that are samplers or pruners themselves."""

REPORT_VARIABLE = "AIRFLOW_ML_REPORT"
"""Names the file to which a trial appends lines ``STEP VALUE`` while it works."""

REPORT_ARGUMENT = "report"
"""The argument of a function that takes ``report(step, value)``, if it has a default."""
