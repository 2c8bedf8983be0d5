"""What becomes of each argument of KubernetesPodOperator in a stage: passed, made the stage's own, or refused."""

from __future__ import annotations

import datetime as dt
import inspect
import logging
from collections.abc import Mapping
from functools import cache
from typing import Any, Literal, NamedTuple

from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator

from airflow_ml_provider.errors import StageConfigurationError

log = logging.getLogger(__name__)

Way = Literal["passed", "ours", "refused"]


class Argument(NamedTuple):
    """An argument of KubernetesPodOperator.

    Attributes:
        way: ``passed`` as it is; ``ours``, with what a stage makes of it; ``refused``, unless it has its default.
        note: What a stage makes of it, or why it is refused and what there is instead.
        always: The value that says what every stage does anyway; it is accepted too.
    """

    way: Way
    note: str = ""
    always: Any = None


_WATCHED = "a stage's pod is watched, and nothing is polled"
_NO_SIDECAR = "a stage has no XCom sidecar: its result is in the store"
_ALWAYS_FOUND = "a stage always finds the pod of its last attempt again"
_EVENTS = "the events of a pod that does not start, or fails, are always in the log"

PASSED = (
    *("kubernetes_conn_id", "namespace", "image", "ports", "volume_mounts", "volumes", "env_vars", "env_from"),
    *("secrets", "in_cluster", "cluster_context", "labels", "get_logs", "base_container_name", "image_pull_policy"),
    *("annotations", "container_resources", "affinity", "config_file", "runtime_class_name", "node_selector"),
    *("image_pull_secrets", "service_account_name", "automount_service_account_token", "hostnetwork"),
    *("host_aliases", "tolerations", "security_context", "container_security_context", "dnspolicy", "dns_config"),
    *("hostname", "subdomain", "schedulername", "full_pod_spec", "init_containers", "pod_template_file"),
    *("pod_template_dict", "priority_class_name", "pod_runtime_info_envs", "termination_grace_period"),
    *("configmaps", "deferrable", "on_finish_action", "on_kill_action", "active_deadline_seconds"),
    *("is_delete_operator_pod",),
)
ARGUMENTS: Mapping[str, Argument] = {
    **dict.fromkeys(PASSED, Argument("passed")),
    "name": Argument("ours", "what the pod's name begins with; a digest of the run and the attempt follow"),
    "startup_timeout_seconds": Argument("ours", "counts from the moment the pod has a node"),
    "schedule_timeout_seconds": Argument("ours", "`capacity_timeout` in seconds, where that is not given"),
    "skip_on_exit_code": Argument("ours", "also 0; of a stage whose own code ended so"),
    "do_xcom_push": Argument("ours", "pushes one XCom per output, and `metrics`"),
    "container_logs": Argument(
        "ours",
        "further containers whose log is shown, the stage's own always is; with `deferrable` at the end, 200 lines",
    ),
    "init_container_logs": Argument("ours", "init containers whose log is shown; that of one that failed always is"),
    "container_name_log_prefix_enabled": Argument("ours", "of lines of other containers than the stage's own"),
    "callbacks": Argument("ours", "one that raises is logged; before there is a pod it ends the task"),
    "log_formatter": Argument("ours", "with `deferrable` it is refused: the triggerer writes the log"),
    "progress_callback": Argument("ours", "gets each line of the log; with `deferrable` it is refused"),
    "log_pod_spec_on_failure": Argument("ours", "never: a pod's spec holds the packed runtime and the request"),
    "cmds": Argument("refused", "a stage says what it runs with run='module:function' or command=[...]"),
    "arguments": Argument("refused", "a stage says what it runs with run='module:function' or command=[...]"),
    "random_name_suffix": Argument("refused", "the name of a pod belongs to one attempt, which is found again by it"),
    "reattach_on_restart": Argument("refused", _ALWAYS_FOUND, always=True),
    "durable": Argument("refused", _ALWAYS_FOUND, always=True),
    "startup_check_interval_seconds": Argument("refused", _WATCHED),
    "base_container_status_polling_interval": Argument("refused", _WATCHED),
    "poll_interval": Argument("refused", _WATCHED),
    "logging_interval": Argument("refused", "the log is followed while the pod runs"),
    "trigger_kwargs": Argument("refused", "a stage has a trigger of its own"),
    "log_events_on_failure": Argument("refused", _EVENTS),
    "log_events_on_startup": Argument("refused", _EVENTS),
    "xcom_sidecar_container_security_context": Argument("refused", _NO_SIDECAR),
    "termination_message_policy": Argument("refused", "the termination message carries the stage's result"),
}
_IN_WORKER = ("log_formatter", "progress_callback")


@cache
def stock_defaults() -> Mapping[str, Any]:
    """Return the arguments of the installed KubernetesPodOperator, with their defaults."""
    parameters = inspect.signature(KubernetesPodOperator.__init__).parameters.values()
    return {found.name: found.default for found in parameters if found.name not in ("self", "kwargs")}


def schedule_timeout(given: Mapping[str, Any]) -> dt.timedelta | None:
    """Return how long a pod waits for a node by ``schedule_timeout_seconds``, also that of ``default_args``."""
    name = "schedule_timeout_seconds"
    seconds = given.get(name, (given.get("default_args") or {}).get(name))
    return None if seconds is None else dt.timedelta(seconds=seconds)


def require_effect(task_id: str, given: Mapping[str, Any], *, deferrable: bool) -> None:
    """Refuse arguments that would have no effect; what a DAG's ``default_args`` say for all its tasks is only logged.

    Args:
        task_id: The stage, for messages.
        given: What the stage's own constructor got.
        deferrable: Whether the stage waits in a triggerer.

    Raises:
        StageConfigurationError: An argument has no effect in a stage.
    """
    for name, argument in ARGUMENTS.items():
        refused = argument.way == "refused" or (deferrable and name in _IN_WORKER)
        if not refused:
            continue
        harmless = (stock_defaults()[name], argument.always)
        if given.get(name, harmless[0]) not in harmless and given[name] != []:
            where = "a deferrable stage" if name in _IN_WORKER else "a stage"
            raise StageConfigurationError(
                f"stage {task_id!r}: {name} has no effect in {where}: {argument.note}; remove it"
            )
        if (given.get("default_args") or {}).get(name, harmless[0]) not in harmless:
            log.warning("Stage %r: %s of default_args has no effect: %s", task_id, name, argument.note)
