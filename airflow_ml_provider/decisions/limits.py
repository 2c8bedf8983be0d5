"""The limits of a monitor stage: which metrics there are, and what is not judged yet."""

from __future__ import annotations

from collections.abc import Mapping

from airflow_ml_provider.decisions.models.gate import Threshold

ALWAYS = (
    "rows",
    "drifted_columns",
    "drifted_share",
    "missing_share",
    "unseen_share",
    "outside_share",
    "duplicate_share",
    "changed_columns",
)
LABELLED = "labelled_rows"
BY_TASK: Mapping[str, tuple[str, ...]] = {
    "regression": ("rmse", "mae", "r2"),
    "classification": ("accuracy", "balanced_accuracy", "f1", "roc_auc", "log_loss", "brier"),
    "clustering": ("adjusted_rand", "silhouette"),
    "ranking": ("ndcg", "groups"),
}


def require_known(limits: Mapping[str, str], *, task: str | None) -> None:
    """Raise a ValueError for a limit of a metric that a monitor stage never has, or that has no valid form."""
    known = [*ALWAYS, *([LABELLED, *BY_TASK[task]] if task else [])]
    if not limits:
        raise ValueError("limits are empty, and nothing would ever be reported")
    for metric, text in limits.items():
        threshold = Threshold.parse(text)
        for name in (metric, threshold.limit):
            if isinstance(name, str) and name not in known:
                more = "" if task else "; those of predictions come with task"
                raise ValueError(f"there is no metric {name!r}; there are {', '.join(known)}{more}")


def judged_now(limits: Mapping[str, str], metrics: Mapping[str, float]) -> dict[str, str]:
    """Return the limits that can be judged: metrics of predictions are there only once outcomes are known."""
    return {
        metric: text
        for metric, text in limits.items()
        if metric in metrics and (not isinstance(limit := Threshold.parse(text).limit, str) or limit in metrics)
    }
