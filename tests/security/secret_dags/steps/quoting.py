"""Code whose failure quotes the login of its MLflow, and the keys of its store."""

import os
from pathlib import Path


def measured(model: Path, *, seen: str) -> dict[str, float]:
    """Return a metric for the gate; what it gets of a connection is open."""
    print("asked for", seen)
    return {"slope": 2.0}


def quotes() -> None:
    """Fail as a client does that has its address from the environment."""
    token, secret = os.environ["MLFLOW_TRACKING_TOKEN"], os.environ["AWS_SECRET_ACCESS_KEY"]
    raise ConnectionError(f"401 for Bearer {token}; store http://key:{secret}@s3.example/bucket")
