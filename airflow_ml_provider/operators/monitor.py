"""Live data beside what the model was trained on; an asset event when it has changed."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import Asset, AssetAlias

from airflow_ml_provider.artifacts.layout import join, store_segment
from airflow_ml_provider.artifacts.objects import read_object, write_object
from airflow_ml_provider.attempts.identity import StageIdentity
from airflow_ml_provider.decisions.alarm import Alarm, is_told
from airflow_ml_provider.decisions.limits import judged_now, require_known
from airflow_ml_provider.decisions.models.gate import judge
from airflow_ml_provider.errors import DriftError, StageConfigurationError
from airflow_ml_provider.operators.evaluate import TASKS
from airflow_ml_provider.operators.stage import StageOperator
from airflow_ml_provider.protocol.metrics import all_metrics
from airflow_ml_provider.settings import MlSettings

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_ml_provider.artifacts.store import ArtifactStore
    from airflow_ml_provider.protocol.result import StageResult

ENGINES = ("auto", "evidently", "light")
DEFAULT_LIMITS: Mapping[str, str] = {"drifted_share": "< 0.5"}
_ALARMS = "_alarms"


def drift_asset(pipeline: str, stage: str) -> Asset:
    """Return the asset of which a monitor stage tells an event when its limits are broken: a schedule for a retraining.

    Args:
        pipeline: The DAG of the stage.
        stage: The stage, a task of kind ``monitor``.
    """
    return Asset(name=f"{pipeline}.{stage}", uri=f"x-airflow-ml://{pipeline}/{stage}/drift")


class MonitorOperator(StageOperator):
    """Compares current data with a reference, and tells an asset event when limits are broken.

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
        partition: What the current data is a part of, told with the event.
    """

    kind: ClassVar[str] = "monitor"
    body: ClassVar[str | None] = "monitor"
    never_reused: ClassVar[str] = "what came in is looked at each time"
    default_outputs: ClassVar[Mapping[str, str]] = {"report": "report"}
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
        if self.run or self.command or self.outputs != self.default_outputs:
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

    def options(self, context: Context, *, identity: StageIdentity, store: ArtifactStore) -> dict[str, Any]:
        """Return what is compared, and how.

        Raises:
            StageConfigurationError: The run has a partition: Airflow starts no pipeline by its events.
        """
        if getattr(context.get("dag_run"), "partition_key", None):
            raise StageConfigurationError(
                f"stage {self.task_id!r}: this run has a partition, and Airflow starts no pipeline by an event of such "
                f"a run: give the monitor a pipeline of its own, without partitions"
            )
        return {
            "columns": list(self.columns),
            "ignore": list(self.ignore),
            "task": self.task,
            "target": self.target,
            "prediction": self.prediction,
            "engine": self.engine,
        }

    def accept(self, context: Context, result: StageResult) -> Sequence[str] | None:
        """Judge; tell the event."""
        limits = judged_now(self.limits, result.metrics)
        for metric in self.limits.keys() - limits.keys():
            self.log.info("Limit: %s is not known yet", metric)
        found = all_metrics(result.metrics, result.values)
        verdicts = [judge({metric: text}, found) for metric, text in limits.items()]
        for verdict in verdicts:
            self.log.info("Limit: %s", verdict.reasons[0])
        instance = context["ti"]
        broken = [verdict.reasons[0] for verdict in verdicts if not verdict.passed]
        alarm: dict[str, Any] = {"raised": bool(broken), "reasons": broken, "told": False}
        if broken and self.on_alarm == "event":
            alarm["told"] = self._tell(context, result, broken)
        instance.xcom_push(key="alarm", value=alarm)
        if broken and self.on_alarm == "fail":
            raise DriftError(f"limits are broken: {'; '.join(broken)}; see {result.outputs['report'].uri}")
        return None

    def _tell(self, context: Context, result: StageResult, broken: Sequence[str]) -> bool:
        """Add the event, unless one was told within the cooldown; returns whether it was added."""
        settings = MlSettings.read(store=self.store, runner=self.runner)
        identity = StageIdentity.of(context, store=settings.store)
        uri = join(settings.store, store_segment(identity.pipeline), _ALARMS, f"{store_segment(identity.label)}.json")
        now, last = dt.datetime.now(tz=dt.UTC), _last_alarm(uri)
        if not is_told(last, now=now, dag_run=identity.dag_run, cooldown=self.cooldown):
            assert last is not None
            self.log.warning(
                "Limits are broken, and no event is told: run %s told one at %s, cooldown is %s",
                last.dag_run,
                last.at.isoformat(),
                self.cooldown,
            )
            return False
        # Before the event: Airflow tells it once the task has succeeded, and a retry of this run tells it again.
        alarm = Alarm(now, identity.dag_run)
        write_object(uri, json.dumps(alarm.to_plain()).encode())
        asset = drift_asset(identity.pipeline, identity.stage)
        context["outlet_events"][self._alias].add(
            asset,
            extra={
                "drifted": list(result.values["drift"]["drifted"]),
                "reasons": list(broken),
                "metrics": dict(result.metrics),
                "report": result.outputs["report"].uri,
                "partition": self.partition,
                "dag_run": identity.dag_run,
            },
        )
        self.log.warning("Limits are broken, event of asset %s: %s", asset.name, "; ".join(broken))
        return True


def _last_alarm(uri: str) -> Alarm | None:
    try:
        return Alarm.from_plain(json.loads(read_object(uri)))
    except FileNotFoundError:
        return None
