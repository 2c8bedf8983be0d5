"""Which of a worker's environment variables reach the processes of stages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

from airflow_ml_provider.protocol.environment import WITHHELD

PASSED = (
    # Who runs it, where, and in which language.
    *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "HOSTNAME", "PWD", "TMPDIR", "TMP", "TEMP", "XDG_*"),
    *("LANG", "LANGUAGE", "LC_*", "TZ", "TERM", "COLUMNS", "LINES", "NO_COLOR"),
    # What an interpreter and its libraries are told.
    *("PYTHON*", "VIRTUAL_ENV", "CONDA_*", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "R_*", "JAVA_HOME", "JULIA_*"),
    *("NODE_*", "GOPATH", "GOROOT", "OMP_*", "MKL_*", "OPENBLAS_*", "NUMEXPR_*", "VECLIB_*", "KMP_*"),
    *("CUDA_*", "NVIDIA_*", "NCCL_*", "HIP_*", "ROCR_*", "TF_*", "TORCH_*", "PYTORCH_*", "XLA_*", "JAX_*"),
    *("HF_*", "TRANSFORMERS_*", "SKLEARN_*", "GX_*"),
    # How networks and artifact stores are reached.
    *("SSL_CERT_*", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "*_PROXY", "*_proxy", "FSSPEC_*"),
    *("AWS_*", "GOOGLE_*", "GCLOUD_*", "CLOUDSDK_*", "AZURE_*"),
    # This package's own, and MLflow's but for its credentials.
    *("AIRFLOW_ML_*", "MLFLOW_*"),
)
"""Patterns of names; ``[ml] stage_environment`` adds others."""
_CREDENTIALS = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN")


def stage_environment(environment: Mapping[str, str], *, passed: Sequence[str] = ()) -> dict[str, str]:
    """Return the variables that reach a stage.

    Airflow's own never do, nor do MLflow's credentials: a stage that tracks gets those of its connection.

    Args:
        environment: The worker's.
        passed: Further patterns of names, such as ``KAGGLE_*``; ``*`` for all.
    """
    patterns = (*PASSED, *passed)
    return {
        name: value
        for name, value in environment.items()
        if not name.startswith((*WITHHELD, "AIRFLOW_CTX_"))
        and name not in _CREDENTIALS
        and any(fnmatchcase(name, pattern) for pattern in patterns)
    }
