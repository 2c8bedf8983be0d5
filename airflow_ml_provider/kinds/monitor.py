"""Live data compared with what the model was trained on; an asset event when it has changed."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_ml_provider.artifacts.layout import join, store_segment
from airflow_ml_provider.artifacts.objects import read_object, write_object
from airflow_ml_provider.decisions.alarm import Alarm, is_told
from airflow_ml_provider.decisions.limits import judged_now
from airflow_ml_provider.decisions.models.gate import judge
from airflow_ml_provider.errors import DriftError, StageConfigurationError
from airflow_ml_provider.kinds.stage import Stage
from airflow_ml_provider.protocol.metrics import all_metrics

if TYPE_CHECKING:
    from airflow_ml_provider.artifacts.store import ArtifactStore
    from airflow_ml_provider.attempts.run_context import RunContext
    from airflow_ml_provider.protocol.result import StageResult

DEFAULT_LIMITS: Mapping[str, str] = {"drifted_share": "< 0.5"}
_ALARMS = "_alarms"


def drift_asset_of(pipeline: str, stage: str) -> tuple[str, str]:
    """Return name and URI of the asset of which a monitor stage emits an event when its limits are broken.

    Args:
        pipeline: The DAG of the stage.
        stage: The stage, a task of kind ``monitor``.
    """
    return f"{pipeline}.{stage}", f"x-airflow-ml://{pipeline}/{stage}/drift"


@dataclass(frozen=True, kw_only=True)
class MonitorStage(Stage):
    """Compares current data with a reference, and emits an asset event when limits are broken."""

    kind: ClassVar[str] = "monitor"
    body: ClassVar[str | None] = "monitor"
    template_fields: ClassVar[Sequence[str]] = (
        *Stage.template_fields,
        "partition",
    )
    never_reused: ClassVar[str] = "what came in is looked at each time"
    default_outputs: ClassVar[Mapping[str, str]] = {"report": "report"}

    limits: Mapping[str, str] = field(default_factory=dict)
    columns: Sequence[str] = ()
    ignore: Sequence[str] = ()
    task: str | None = None
    target: str = "target"
    prediction: str = "prediction"
    engine: str = "auto"
    cooldown: dt.timedelta = dt.timedelta(days=1)
    on_alarm: str = "event"
    partition: str = ""

    @classmethod
    def completed(cls, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Return an operator's arguments with the defaults of the kind, and inputs by name."""
        inputs = {"reference": arguments["reference"], "current": arguments["current"]}
        limits = arguments.get("limits")
        given = {**arguments, "inputs": inputs, "limits": dict(DEFAULT_LIMITS if limits is None else limits)}
        return super().completed(given)

    def options(self, run: RunContext, *, store: ArtifactStore) -> dict[str, Any]:
        """Return what is compared, and how.

        Raises:
            StageConfigurationError: The run has a partition: Airflow starts no pipeline by its events.
        """
        if run.partition:
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

    def accept(self, run: RunContext, result: StageResult) -> Sequence[str] | None:
        """Judge the metrics; emit the event."""
        limits = judged_now(self.limits, result.metrics)
        for metric in self.limits.keys() - limits.keys():
            run.log.info("Limit: %s is not known yet", metric)
        found = all_metrics(result.metrics, result.values)
        verdicts = [judge({metric: text}, found) for metric, text in limits.items()]
        for verdict in verdicts:
            run.log.info("Limit: %s", verdict.reasons[0])
        broken = [verdict.reasons[0] for verdict in verdicts if not verdict.passed]
        alarm: dict[str, Any] = {"raised": bool(broken), "reasons": broken, "told": False}
        if broken and self.on_alarm == "event":
            alarm["told"] = self._emit(run, result, broken)
        run.outputs.push("alarm", alarm)
        if broken and self.on_alarm == "fail":
            raise DriftError(f"limits are broken: {'; '.join(broken)}; see {result.outputs['report'].uri}")
        return None

    def _emit(self, run: RunContext, result: StageResult, broken: Sequence[str]) -> bool:
        """Emit the event, unless there was one within the cooldown; returns whether it was emitted."""
        identity = run.identity
        uri = join(identity.store, store_segment(identity.pipeline), _ALARMS, f"{store_segment(identity.label)}.json")
        now, last = dt.datetime.now(tz=dt.UTC), _last_alarm(uri)
        if not is_told(last, now=now, dag_run=identity.dag_run, cooldown=self.cooldown):
            assert last is not None
            run.log.warning(
                "Limits are broken, and no event is emitted: run %s emitted one at %s, cooldown is %s",
                last.dag_run,
                last.at.isoformat(),
                self.cooldown,
            )
            return False
        # Before the event: Airflow emits it once the task has succeeded, and a retry of this run emits it again.
        alarm = Alarm(now, identity.dag_run)
        write_object(uri, json.dumps(alarm.to_plain()).encode())
        name, asset_uri = drift_asset_of(identity.pipeline, identity.stage)
        run.events.emit(
            name=name,
            uri=asset_uri,
            extra={
                "drifted": list(result.values["drift"]["drifted"]),
                "reasons": list(broken),
                "metrics": dict(result.metrics),
                "report": result.outputs["report"].uri,
                "partition": self.partition,
                "dag_run": identity.dag_run,
            },
        )
        run.log.warning("Limits are broken, event of asset %s: %s", name, "; ".join(broken))
        return True


def _last_alarm(uri: str) -> Alarm | None:
    try:
        return Alarm.from_plain(json.loads(read_object(uri)))
    except FileNotFoundError:
        return None
