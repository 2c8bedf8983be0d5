"""Live data next to what the model was trained on; an asset event when it has changed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from airflow.sdk import Asset, AssetAlias

from airflow_ml_provider.decisions.limits import require_known
from airflow_ml_provider.errors import StageConfigurationError
from airflow_ml_provider.kinds.monitor import DEFAULT_LIMITS, MonitorStage, drift_asset_of
from airflow_ml_provider.kinds.stage import Stage
from airflow_ml_provider.operators.evaluate import TASKS
from airflow_ml_provider.operators.stage import StageOperator

ENGINES = ("auto", "evidently", "light")


def drift_asset(pipeline: str, stage: str) -> Asset:
    """Return the asset of which a monitor stage emits an event when its limits are broken: a schedule for a retraining.

    Args:
        pipeline: The DAG of the stage.
        stage: The stage, a task of kind ``monitor``.
    """
    name, uri = drift_asset_of(pipeline, stage)
    return Asset(name=name, uri=uri)


class MonitorOperator(StageOperator):
    """Compares current data with a reference, and emits an asset event when limits are broken.

    The event of :func:`drift_asset` holds the drifted columns, the reasons, the metrics, the report and the partition;
    within ``cooldown`` after an event there is no other. The XComs ``drift`` and ``alarm`` say what was found.

    Args:
        reference: The dataset that the model was trained on.
        current: What came in lately, with what was predicted and, as far as it is known, the outcome.
        limits: Thresholds by metric: ``drifted_share``, ``drifted_columns``, ``missing_share``, ``unseen_share``,
            ``outside_share``, ``duplicate_share``, ``changed_columns``, ``rows``, and those of ``task``.
        columns: The columns to compare; all that both have by default.
        ignore: Columns that are not compared.
        task: ``regression``, ``classification``, ... for metrics of the rows whose outcome is known.
        target: Column of the outcome.
        prediction: Column of what was predicted.
        engine: ``evidently``; ``light``, tests of this package; ``auto``, the first that is there.
        cooldown: How long after an event there is no other one.
        on_alarm: Whether the task succeeds (``event``) or fails (``fail``) when limits are broken.
        partition: What the current data is a part of, reported with the event.
    """

    stage_class: ClassVar[type[Stage]] = MonitorStage

    template_fields: Sequence[str] = tuple(sorted({*StageOperator.template_fields, "partition"}))

    def __init__(
        self,
        *,
        reference: Any,
        current: Any,
        limits: Mapping[str, str] | None = None,
        columns: Sequence[str] = (),
        ignore: Sequence[str] = (),
        task: str | None = None,
        target: str = "target",
        prediction: str = "prediction",
        engine: str = "auto",
        cooldown: dt.timedelta = dt.timedelta(days=1),
        on_alarm: str = "event",
        partition: str = "",
        **kwargs: Any,
    ) -> None:
        # An alias has an event only where one is added to it.
        alias = AssetAlias(f"drift of {kwargs['task_id']}")
        kwargs["outlets"] = [*kwargs.get("outlets", []), alias]
        super().__init__(inputs={"reference": reference, "current": current}, **kwargs)
        self.limits = dict(DEFAULT_LIMITS if limits is None else limits)
        self.columns = tuple(columns)
        self.ignore = tuple(ignore)
        self.task = task
        self.target = target
        self.prediction = prediction
        self.engine = engine
        self.cooldown = cooldown
        self.on_alarm = on_alarm
        self.partition = partition
        self._alias = alias
        stage = f"stage {self.task_id!r}"
        if self.run or self.command or self.outputs != self.stage_class.default_outputs:
            raise StageConfigurationError(f"{stage}: monitor runs no code of yours, and puts out its report alone")
        for name, value, allowed in (
            ("engine", engine, ENGINES),
            ("task", task, (None, *TASKS)),
            ("on_alarm", on_alarm, ("event", "fail")),
        ):
            if value not in allowed:
                raise StageConfigurationError(
                    f"{stage}: {name} is {value!r}; allowed are {', '.join(map(str, allowed))}"
                )
        if not isinstance(cooldown, dt.timedelta):
            raise StageConfigurationError(f"{stage}: cooldown is {cooldown!r}, a timedelta is wanted")
        try:
            require_known(self.limits, task=task)
        except ValueError as error:
            raise StageConfigurationError(f"{stage}: {error}") from error
