"""Faults: what is done to a stage in a pod, and what is expected of it."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.live import fault_acts

BOTH = ("sync", "deferrable")


@dataclass(frozen=True)
class Fault:
    told: str
    act: Callable
    case: str = "slow"
    seconds: int = 8
    before: Callable = fault_acts.nothing
    modes: tuple = BOTH
    ends: str = "success"
    tries: int = 1
    pods: int | None = 1
    says: str = ""
    means: str = ""
    marked: bool = False
    reaches_others: bool = False
    every_line_once: bool = False
    curve: bool = False
    in_order: tuple = ()


FAULTS = {
    "nothing": Fault("nothing", fault_acts.leave, case="quick"),
    "handed_over": Fault(
        "nothing, and the stage runs longer than `defer_after`",
        fault_acts.leave,
        case="handed_over",
        modes=("deferrable",),
        seconds=18,
        in_order=(r"^step 0$", "Pausing task as DEFERRED", r"^step 35$"),
        every_line_once=True,
        means="the triggerer reads the log on where the task was",
    ),
    "handed_over_and_evicted": Fault(
        "the pod is evicted while the task still follows it",
        fault_acts.evict,
        case="handed_over",
        modes=("deferrable",),
        seconds=18,
        pods=2,
        in_order=("Another pod is started within this try", "Pausing task as DEFERRED"),
        means="replaced within the try, and deferred later",
    ),
    "handed_over_and_triggerer_killed": Fault(
        "SIGKILL of the triggerer that took over from the task",
        fault_acts.kill_component("triggerer"),
        case="handed_over",
        modes=("deferrable",),
        seconds=25,
        in_order=(r"^step 0$", "Pausing task as DEFERRED", r"^step 49$"),
        reaches_others=True,
        means="another triggerer follows the same pod",
    ),
    "terminated_before_it_is_handed_over": Fault(
        "SIGTERM of the worker that still follows the pod of a deferrable stage",
        fault_acts.terminate_worker,
        case="handed_over",
        modes=("deferrable",),
        seconds=15,
        tries=2,
        pods=2,
        in_order=("the task received SIGTERM", "Pausing task as DEFERRED"),
        reaches_others=True,
        means="the pod dies; the next try runs another",
    ),
    "worker_killed": Fault(
        "SIGKILL of the worker",
        fault_acts.kill_worker,
        modes=("sync",),
        seconds=40,
        tries=2,
        says="still runs: following it",
        reaches_others=True,
        means="the next try follows the same pod",
    ),
    "worker_terminated": Fault(
        "SIGTERM of the worker",
        fault_acts.terminate_worker,
        modes=("sync",),
        seconds=15,
        tries=2,
        pods=2,
        says="the task received SIGTERM",
        means="the pod dies; the next try runs another",
    ),
    "worker_killed_before_it_defers": Fault(
        "SIGKILL of the worker that has made the pod",
        fault_acts.kill_before_it_defers,
        modes=("deferrable",),
        # Longer than Airflow takes to find out, also where all else runs next to it.
        seconds=70,
        tries=2,
        says="still runs: following it",
        means="the next try follows the same pod",
    ),
    "worker_killed_while_it_resumes": Fault(
        "SIGKILL of the worker that takes the result",
        fault_acts.kill_while_it_resumes,
        modes=("deferrable",),
        tries=2,
        says="finished but was not delivered: taking its result",
        means="the next try takes the result",
    ),
    "worker_terminated_before_it_defers": Fault(
        "SIGTERM of the worker that has made the pod",
        fault_acts.terminate_before_it_defers,
        modes=("deferrable",),
        tries=2,
        pods=2,
        says="the task received SIGTERM",
        means="the pod dies; the next try runs another",
    ),
    "worker_terminated_while_it_resumes": Fault(
        "SIGTERM of the worker that takes the result",
        fault_acts.terminate_while_it_resumes,
        modes=("deferrable",),
        means="the result is taken all the same",
    ),
    "marked_failed": Fault(
        "marked failed",
        fault_acts.mark("failed"),
        seconds=40,
        ends="failed",
        marked=True,
        means="the pod dies with the task",
    ),
    "marked_success": Fault(
        "marked success",
        fault_acts.mark("success"),
        seconds=40,
        marked=True,
        means="the pod dies with the task",
    ),
    "cleared": Fault(
        "cleared while it runs",
        fault_acts.clear,
        seconds=15,
        tries=2,
        pods=2,
        means="the first pod dies; the second attempt has a directory of its own",
    ),
    "triggerer_killed": Fault(
        "SIGKILL of the triggerer",
        fault_acts.kill_component("triggerer"),
        modes=("deferrable",),
        seconds=20,
        reaches_others=True,
        means="another triggerer follows the same pod",
    ),
    "scheduler_killed": Fault(
        "SIGKILL of the scheduler",
        fault_acts.kill_component("scheduler"),
        modes=("deferrable",),
        seconds=20,
        reaches_others=True,
        means="another scheduler goes on with the task",
    ),
    "user_code": Fault(
        "the user's code raises",
        fault_acts.leave,
        case="broken",
        ends="failed",
        tries=2,
        pods=2,
        says="ValueError: the learning rate is negative [user code, exit code 1]; fix the code",
        means="the first line says what and where",
    ),
    "no_memory": Fault(
        "out of memory",
        fault_acts.leave,
        case="greedy",
        ends="failed",
        tries=2,
        pods=2,
        says="more memory than it may (limit 96Mi, request 96Mi) [out of memory, exit code 137]",
        means="the first line says limit and request",
    ),
    "no_node": Fault(
        "no node has room",
        fault_acts.leave,
        case="no_room",
        ends="failed",
        tries=2,
        pods=2,
        says="0/1 nodes are available: 1 Insufficient cpu",
        means="waits up to capacity_timeout, says why",
    ),
    "timeout": Fault(
        "the stage takes longer than its timeout",
        fault_acts.leave,
        case="late",
        seconds=60,
        ends="failed",
        says="imeout",
        means="the pod dies with the task",
    ),
    "pod_deleted": Fault(
        "the pod is deleted",
        fault_acts.delete_pod,
        pods=2,
        says="Another pod is started within this try",
        means="replaced within the try",
    ),
    "pod_evicted": Fault(
        "the pod is evicted",
        fault_acts.evict,
        pods=2,
        says="Another pod is started within this try",
        means="replaced within the try",
    ),
    "evicted_with_checkpoints": Fault(
        "the pod is evicted, checkpoints kept",
        fault_acts.evict,
        case="resuming",
        pods=2,
        says="Resumed from checkpoint",
        curve=True,
        means="the new pod goes on where the old one was",
    ),
    "out_of_memory": Fault(
        "out of memory, max_memory given",
        fault_acts.leave,
        case="growing",
        pods=None,
        says="out of memory",
        means="memory is doubled within the try",
    ),
    "image_missing": Fault(
        "the image does not exist",
        fault_acts.leave,
        case="no_image",
        ends="failed",
        tries=2,
        pods=2,
        says="image does not exist or may not be pulled",
        means="fails in seconds, not after the startup timeout",
    ),
    "quota": Fault(
        "a quota is used up for some seconds",
        fault_acts.free_quota,
        case="no_quota",
        before=fault_acts.quota,
        says="Waiting for room",
        reaches_others=True,
        means="waits up to capacity_timeout",
    ),
    "no_rights": Fault(
        "a right is missing",
        fault_acts.leave,
        case="no_rights",
        ends="failed",
        pods=0,
        says="grant it: airflow-ml manifests",
        means="fails at once, names verb, resource and remedy",
    ),
    "api_server_killed": Fault(
        "SIGKILL of the API server, back in seconds",
        fault_acts.restart_api_server,
        seconds=15,
        reaches_others=True,
        every_line_once=True,
        means="the pod runs on, watch and log resume where they were",
    ),
    "kubelet_paused": Fault(
        "the kubelet, and with it the log, stands still for 6 s",
        fault_acts.pause_kubelet,
        seconds=12,
        reaches_others=True,
        every_line_once=True,
        means="waits for it; no line is lost or logged twice",
    ),
    "log_frozen": Fault(
        "the log stream stands still, and nothing else",
        fault_acts.freeze_log,
        case="proxied",
        seconds=12,
        every_line_once=True,
        means="the task ends as it should; the rest of the log is read after the end",
    ),
    "mlflow_down_at_start": Fault(
        "MLflow is down at the start",
        fault_acts.mlflow_back_at_retry,
        case="slow_start",
        before=fault_acts.mlflow_down,
        tries=2,
        pods=1,
        says="does not answer",
        reaches_others=True,
        means="no pod before MLflow answers",
    ),
    "mlflow_down_in_the_middle": Fault(
        "MLflow is away while the stage works",
        fault_acts.mlflow_away_in_the_middle,
        seconds=20,
        reaches_others=True,
        means="not noticed",
    ),
    "mlflow_down_at_the_end": Fault(
        "MLflow is down at the end",
        fault_acts.mlflow_away_at_the_end,
        case="slow_start",
        tries=2,
        says="finished but was not delivered: taking its result",
        reaches_others=True,
        means="only the closing is retried",
    ),
    "store_down_at_commit": Fault(
        "the store is away at the commit",
        fault_acts.store_away_at_commit,
        case="slow_start",
        says="is tried again",
        reaches_others=True,
        means="the commit is tried again for five minutes; nothing half-written is seen",
    ),
    "two_runs": Fault("two runs at once", fault_acts.second_run, seconds=14, means="a directory and a pod each"),
}
