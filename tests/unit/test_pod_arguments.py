"""Every argument of the installed KubernetesPodOperator passes, is a stage's own, or is refused with the reason."""

import logging

import pytest
from airflow.providers.cncf.kubernetes.callbacks import KubernetesPodOperatorCallback
from airflow.sdk import DAG

from airflow_ml_provider.errors import StageConfigurationError
from airflow_ml_provider.operators import TrainOperator
from airflow_ml_provider.runners.pod_arguments import ARGUMENTS, stock_defaults
from tests.mistakes.arguments_page import PAGE, page
from tests.settled import described

STAGE = {"task_id": "train", "run": "m:f", "namespace": "ml", "image": "i:1"}
REFUSED = [name for name, argument in ARGUMENTS.items() if argument.way == "refused"]
OTHER = {
    "random_name_suffix": False,
    "log_events_on_startup": False,
    "durable": False,
    "reattach_on_restart": False,
    "termination_message_policy": "FallbackToLogsOnError",
}


def other_value(name):
    default = stock_defaults()[name]
    if name in OTHER:
        return OTHER[name]
    return default + 1 if type(default) is int else ["x"] if name in ("cmds", "arguments") else True


def test_the_table_has_every_argument_of_the_installed_version():
    assert set(ARGUMENTS) == set(stock_defaults()), "see docs/reference/pod-arguments.md: decide what becomes of it"
    assert PAGE.read_text() == page(), "make generated writes it anew"


@pytest.mark.filterwarnings("ignore:`reattach_on_restart` is deprecated")
@pytest.mark.parametrize("name", REFUSED)
def test_an_argument_without_effect_is_refused_with_what_to_use_instead(name):
    with pytest.raises(StageConfigurationError) as caught:
        TrainOperator(**STAGE, **{name: other_value(name)})
    assert str(caught.value) == f"stage 'train': {name} has no effect in a stage: {ARGUMENTS[name].note}; remove it"
    # Its default says nothing.
    TrainOperator(**STAGE, **{name: stock_defaults()[name]})


@pytest.mark.filterwarnings("ignore:`reattach_on_restart` is deprecated")
@pytest.mark.parametrize("name", ["durable", "reattach_on_restart"])
def test_what_a_stage_always_does_may_be_asked_for(name):
    assert TrainOperator(**STAGE, **{name: True}).task_id == "train"


@pytest.mark.filterwarnings("ignore:`reattach_on_restart` is deprecated")
@pytest.mark.parametrize("name", REFUSED)
def test_what_a_dag_says_for_all_its_tasks_is_a_warning(name, caplog):
    with caplog.at_level(logging.WARNING), DAG("d", schedule=None, default_args={name: other_value(name)}):
        TrainOperator(**STAGE)
    assert f"Stage 'train': {name} of default_args has no effect" in caplog.text


@pytest.mark.parametrize("name", ["log_formatter", "progress_callback"])
def test_functions_of_the_worker_are_refused_where_a_triggerer_writes_the_log(name):
    TrainOperator(**STAGE, **{name: print})
    with pytest.raises(StageConfigurationError, match=f"{name} has no effect in a deferrable stage"):
        TrainOperator(**STAGE, deferrable=True, **{name: print})


def test_default_args_of_a_dag_have_their_effect():
    from datetime import timedelta

    with DAG("d", schedule=None, default_args={"progress_callback": print, "schedule_timeout_seconds": 77}):
        stage = TrainOperator(**STAGE)
    assert described(stage).logs.progress is print
    assert stage.capacity_timeout == timedelta(seconds=77)
    refused = pytest.raises(StageConfigurationError, match="log_formatter has no effect in a deferrable stage")
    with refused, DAG("d", schedule=None, default_args={"deferrable": True}):
        TrainOperator(**STAGE, log_formatter=print)


def test_a_timeout_of_scheduling_is_how_long_a_pod_waits_for_a_node():
    from datetime import timedelta

    assert TrainOperator(**STAGE, schedule_timeout_seconds=7).capacity_timeout == timedelta(seconds=7)
    own = TrainOperator(**STAGE, schedule_timeout_seconds=7, capacity_timeout=timedelta(hours=1))
    assert own.capacity_timeout == timedelta(hours=1)


def test_a_callback_that_raises_costs_neither_the_log_nor_the_stage(caplog, monkeypatch):
    from airflow_ml_provider.runners.container_logs import ContainerLogs
    from airflow_ml_provider.runners.pod_callbacks import PodCallbacks

    seen = []

    class Callback(KubernetesPodOperatorCallback):
        @staticmethod
        def progress_callback(*, line, **given):
            seen.append(line)
            raise OSError("no network")

        @staticmethod
        def on_pod_completion(*, pod, **given):
            raise ValueError("nor here")

        @staticmethod
        def on_pod_manifest_created(*, pod_request, **given):
            raise ValueError("not this pod")

    def formatted(container, line):
        raise KeyError(line)

    stage = TrainOperator(**STAGE, callbacks=Callback, log_formatter=formatted, progress_callback=seen.index)
    stage.__dict__["client"] = None
    settings, log = described(stage), logging.getLogger("stage")
    callbacks = PodCallbacks(settings, log=log)
    logs = ContainerLogs(None, "p", settings=settings.logs, container="base", callbacks=callbacks, log=log)
    logs._seen = {"metadata": {"name": "p"}}
    with caplog.at_level(logging.INFO):
        for line in ("one", "two"):
            logs._emit(line, "base")
        callbacks.completed(logs._seen)
    assert seen == ["one", "two"]
    told = [record.message for record in caplog.records]
    assert [line for line in told if line in ("one", "two")] == ["one", "two"]
    assert [line.partition(" ")[0] for line in told if " failed; " in line] == [
        "log_formatter",
        "progress_callback",
        "on_pod_completion",
    ]
    with pytest.raises(ValueError, match="not this pod"):
        callbacks.made(None)
