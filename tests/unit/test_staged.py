"""A staged stage: its containers run here as processes, with the commands and variables that the pod gives them."""

import json
import os
import subprocess
import sys

import pytest
from kubernetes.client import V1EnvVar, V1VolumeMount

from airflow_ml_provider.artifacts.code_packing import pack_code
from airflow_ml_provider.artifacts.layout import RESULT, join
from airflow_ml_provider.artifacts.objects import read_object
from airflow_ml_provider.artifacts.store import ArtifactStore
from airflow_ml_provider.decisions.pods.pending import Patience, StartClock
from airflow_ml_provider.decisions.pods.pod_outcome import read_pod_outcome
from airflow_ml_provider.decisions.pods.pod_state import PodState, describe
from airflow_ml_provider.errors import StageConfigurationError
from airflow_ml_provider.operators import ContainerOperator, IngestOperator, TrainOperator
from airflow_ml_provider.protocol.request import StageRequest, Tracking
from airflow_ml_provider.protocol.result import StageResult
from airflow_ml_provider.protocol.staged import ROOT
from airflow_ml_provider.protocol.termination import MESSAGE_LIMIT_BYTES, result_in_message
from airflow_ml_provider.runners.stage_pod import stage_pod
from tests.settled import described, settled

SCRIPT = """
set -e
test "$(pwd -P)" = "$(cd "$(dirname "$0")" && pwd -P)"
test "$1" = '$HOME'
cp "$AIRFLOW_ML_INPUT_DATA" "$AIRFLOW_ML_OUTPUT_MODEL"
echo "$AIRFLOW_ML_PARAMS" >> "$AIRFLOW_ML_OUTPUT_MODEL"
echo "run $MLFLOW_RUN_ID"
echo '{"metrics": {"loss": 0.5}}' > "$AIRFLOW_ML_RESULT"
"""
FUNCTIONS = """
def good(data, model, *, depth):
    model.write_text(data.read_text() * depth)
    return {"loss": 0.25}

def bad(data, model, *, depth):
    raise ValueError("ä" * 5000)
"""


class Staged:
    """Runs the containers of a stage's pod one after the other, as a kubelet does."""

    def __init__(self, folder, **changes):
        self.folder, self.store = folder, f"file://{folder}/store"
        (folder / "flights").mkdir()
        (folder / "flights" / "work.sh").write_text(SCRIPT)
        (folder / "flights" / "fun.py").write_text(FUNCTIONS)
        (folder / "data").write_text("ab")
        artifacts = ArtifactStore()
        data = artifacts.put(folder / "data", directory=f"{self.store}/in", output="data", artifact_type="dataset")
        code = artifacts.put_content(self.store, pack_code(folder / "flights"), suffix=".zip")
        values = {
            "kind": "train",
            "pipeline": "p",
            "stage": "s",
            "dag_run": "r",
            "attempt": "1.1",
            "attempt_uri": f"{self.store}/p/r/s/-1/1.1",
            "command": ("sh", "work.sh", "$HOME"),
            "inputs": {"data": data},
            "outputs": {"model": "model"},
            "params": {"depth": 3},
            "code": code,
            "tracking": Tracking("http://mlflow", "run-1", "7"),
        }
        self.request = StageRequest(**{**values, **changes})
        arguments = {"run": self.request.run, "command": list(self.request.command) or None}
        operator = TrainOperator(
            task_id="s",
            namespace="ml",
            image="any:1",
            io="staged",
            io_image="stage:1",
            volume_mounts=[V1VolumeMount(name="store", mount_path=str(folder))],
            **arguments,
        )
        operator.build_pod_request_obj = lambda context: TrainOperator.build_pod_request_obj(operator, dry_run=True)
        self.pod = stage_pod(described(operator), self.request, secrets={}, memory=0, log=None)
        self.root = folder / "root"
        for name in ("work", "runtime"):
            (self.root / name).mkdir(parents=True)

    def run(self, name):
        """Run one container; returns its exit code, what it printed, and its termination message."""
        containers = [*self.pod.spec.init_containers, *self.pod.spec.containers]
        container = next(each for each in containers if each.name == name)
        log = self.folder / f"{name}.termination"
        environment = {entry.name: self.here(entry.value, log) for entry in container.env}
        command = [self.here(word, log) for word in container.command]
        if command[0] == "python3":
            command = [sys.executable, "-I", *command[1:]]
        done = subprocess.run(
            command,
            env={"PATH": os.environ["PATH"], **environment},
            cwd=self.here(container.working_dir or str(self.folder), log),
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr, log.read_text() if log.exists() else ""

    def here(self, text, log):
        return text.replace("$$", "$").replace(ROOT, str(self.root)).replace("/dev/termination-log", str(log))

    @property
    def result(self):
        return StageResult.from_json(read_object(join(self.request.attempt_uri, RESULT)))


def test_a_command_in_an_image_of_its_own_works_through_files(tmp_path):
    staged = Staged(tmp_path)
    assert staged.run("fetch")[0] == 0
    code, printed, _ = staged.run("main")
    assert (code, printed) == (0, "run run-1\n")
    with pytest.raises(FileNotFoundError):
        assert staged.result
    code, printed, message = staged.run("base")
    assert code == 0, printed
    assert staged.result == result_in_message(message)
    assert staged.result.metrics == {"loss": 0.5}
    ArtifactStore().fetch(staged.result.outputs["model"], tmp_path / "model")
    assert (tmp_path / "model").read_text() == 'ab{"depth": 3}\n'
    assert 0 < staged.result.seconds < 60


def test_a_function_in_an_image_without_the_stores_client_works_through_files(tmp_path):
    staged = Staged(tmp_path, run="flights.fun:good", command=())
    for name in ("fetch", "main", "base"):
        code, printed, _ = staged.run(name)
        assert code == 0, printed
    assert staged.result.metrics == {"loss": 0.25}


def test_a_function_that_fails_says_so_in_its_termination_message_alone(tmp_path):
    staged = Staged(tmp_path, run="flights.fun:bad", command=())
    staged.run("fetch")
    code, printed, message = staged.run("main")
    assert code == 1
    assert 'raise ValueError("ä" * 5000)' in printed
    assert len(message.encode()) <= MESSAGE_LIMIT_BYTES
    assert result_in_message(message).failure.message.startswith("running flights.fun:bad: ValueError: ää")


def test_inputs_that_are_gone_fail_the_stage_before_its_work(tmp_path):
    staged = Staged(tmp_path)
    (tmp_path / "store" / "in" / "data").unlink()
    code, _, message = staged.run("fetch")
    assert code == 5
    assert "was removed after its commit" in staged.result.failure.message
    assert result_in_message(message).failure == staged.result.failure


def test_what_a_command_left_is_checked_before_it_is_committed(tmp_path):
    staged = Staged(tmp_path)
    staged.run("fetch")
    staged.run("main")
    (staged.root / "work" / "result.json").write_text(json.dumps({"loss": 1.0}))
    code, _, _ = staged.run("base")
    assert code == 4
    assert staged.result.failure.category == "contract"
    assert staged.result.outputs == {}


def test_the_users_container_sees_neither_runtime_nor_request(tmp_path):
    staged = Staged(tmp_path)
    main = staged.pod.spec.init_containers[-1]
    assert main.name == "main"
    assert not {entry.name for entry in main.env} & {"AIRFLOW_ML_REQUEST", "AIRFLOW_ML_RUNTIME"}
    assert not any("runtime" in mount.mount_path for mount in main.volume_mounts)


def test_a_container_with_a_name_of_ours_is_refused():
    operator = TrainOperator(
        task_id="s", namespace="ml", image="any:1", io_image="stage:1", command=["x"], base_container_name="main"
    )
    operator.build_pod_request_obj = lambda context: TrainOperator.build_pod_request_obj(operator, dry_run=True)
    request = StageRequest("train", "p", "s", "r", "1.1", "s3://b/1.1", command=("x",))
    with pytest.raises(StageConfigurationError, match="a container 'main', which is the name of one of a staged"):
        stage_pod(described(operator), request, secrets={}, memory=0, log=None)


def test_a_pod_template_that_is_not_there_is_refused(tmp_path):
    gone = str(tmp_path / "gone.yaml")
    operator = TrainOperator(task_id="s", namespace="ml", image="any:1", run="m:f", pod_template_file=gone)
    request = StageRequest("train", "p", "s", "r", "1.1", "s3://b/1.1", run="m:f")
    with pytest.raises(StageConfigurationError, match=f"stage 's': pod_template_file '{gone}' cannot be read as a pod"):
        stage_pod(described(operator), request, secrets={}, memory=0, log=None)


def test_a_step_that_cannot_write_its_result_says_so_in_its_termination_message(tmp_path):
    staged = Staged(tmp_path)
    staged.run("fetch")
    staged.run("main")
    (tmp_path / "store" / "p").write_text("no folder")
    code, _, message = staged.run("base")
    assert code == 5
    assert result_in_message(message).failure.category == "store"


def test_variables_of_the_stage_reach_all_three_and_ours_win(tmp_path):
    operator = TrainOperator(
        task_id="s",
        namespace="ml",
        image="any:1",
        io_image="stage:1",
        command=["x"],
        env_vars=[V1EnvVar(name="KEY", value="1"), V1EnvVar(name="AIRFLOW_ML_STEP", value="mine")],
    )
    operator.build_pod_request_obj = lambda context: TrainOperator.build_pod_request_obj(operator, dry_run=True)
    request = StageRequest("train", "p", "s", "r", "1.1", "s3://b/1.1", command=("x",))
    spec = stage_pod(described(operator), request, secrets={}, memory=0, log=None).spec
    for container in (*spec.init_containers, *spec.containers):
        names = [entry.name for entry in container.env]
        assert names.count("KEY") == 1
        assert names.count("AIRFLOW_ML_STEP") == 1


def test_staged_is_what_a_command_is_and_a_function_is_not():
    assert settled(ContainerOperator(task_id="a", command=["x"])).is_staged
    assert not settled(ContainerOperator(task_id="b", command=["x"], io="direct")).is_staged
    assert not settled(ContainerOperator(task_id="c", run="m:f")).is_staged
    assert settled(ContainerOperator(task_id="d", run="m:f", io="staged")).is_staged
    assert not settled(IngestOperator(task_id="e", uri="*.csv")).is_staged


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: IngestOperator(task_id="e", uri="*.csv", io="staged"), "is for run and command"),
        (lambda: ContainerOperator(task_id="e", run="m:f", io="sidecar"), "allowed are direct, staged"),
    ],
)
def test_what_cannot_be_staged_is_refused(make, says):
    with pytest.raises(StageConfigurationError, match=says):
        make()


def test_without_an_image_that_fetches_the_stage_is_refused():
    operator = ContainerOperator(task_id="e", command=["x"], image="any:1", namespace="ml")
    operator.build_pod_request_obj = lambda context: ContainerOperator.build_pod_request_obj(operator, dry_run=True)
    request = StageRequest("container", "p", "e", "r", "1.1", "s3://b/1.1", command=("x",))
    with pytest.raises(StageConfigurationError, match="no image to fetch its inputs and commit its outputs with"):
        stage_pod(described(operator), request, secrets={}, memory=0, log=None)


def pod(phase, **states):
    containers = [
        {"name": name, "resources": {"limits": {"memory": memory}}}
        for name, memory in (("fetch", "1Gi"), ("main", "96Mi"))
    ]
    named = {name: {"name": name, "state": state} for name, state in states.items()}
    return {
        "metadata": {"uid": "u", "annotations": {"airflow-ml/io": "staged"}},
        "spec": {
            "nodeName": "n",
            "initContainers": containers,
            "containers": [{"name": "base", "resources": {"limits": {"memory": "1Gi"}}}],
        },
        "status": {
            "phase": phase,
            "initContainerStatuses": [named[name] for name in ("fetch", "main") if name in named],
            "containerStatuses": [named["base"]] if "base" in named else [],
        },
    }


def ended(code=0, **more):
    return {"terminated": {"exitCode": code, "startedAt": "t", **more}}


RUNNING = {"running": {"startedAt": "t"}}
WAITING = {"waiting": {"reason": "PodInitializing"}}


@pytest.mark.parametrize(
    ("states", "told", "started"),
    [
        ({}, "starts", False),
        ({"fetch": RUNNING, "main": WAITING, "base": WAITING}, "fetches its inputs", False),
        ({"fetch": ended(), "main": WAITING, "base": WAITING}, "starts (PodInitializing)", False),
        ({"fetch": ended(), "main": RUNNING, "base": WAITING}, "runs", True),
        ({"fetch": ended(), "main": ended(), "base": WAITING}, "runs", True),
        ({"fetch": ended(), "main": ended(), "base": RUNNING}, "commits its outputs", True),
        ({"fetch": ended(), "main": ended(), "base": ended()}, "ended, exit code 0", True),
        ({"fetch": ended(), "main": ended(3), "base": WAITING}, "ended, exit code 3", True),
    ],
)
def test_a_staged_pod_is_reported_by_whose_turn_it_is(states, told, started):
    state = PodState.of(pod("Pending", **states), container="base")
    assert describe(state) == told
    assert state.started == started
    assert state.ended == told.startswith("ended")


def test_the_startup_clock_stands_while_inputs_are_fetched_and_begins_anew_for_the_users_image():
    clock = StartClock(Patience(startup=60))
    steps = [
        (0, {"fetch": WAITING}),
        (50, {"fetch": RUNNING}),
        (500, {"fetch": RUNNING}),
        (501, {"fetch": ended(), "main": WAITING}),
        (561, {"fetch": ended(), "main": WAITING}),
    ]
    assert [clock.judge(PodState.of(pod("Pending", **states), container="base"), now=now) for now, states in steps] == [
        None
    ] * len(steps)
    late = PodState.of(pod("Pending", fetch=ended(), main=WAITING), container="base")
    assert clock.judge(late, now=562).verdict == "startup"


def test_a_commit_that_cannot_begin_is_given_up_too():
    clock = StartClock(Patience(startup=60))
    gone = {"waiting": {"reason": "ErrImagePull", "message": "manifest unknown"}}
    state = PodState.of(pod("Pending", fetch=ended(), main=ended(), base=gone), container="base")
    assert clock.judge(state, now=0).verdict == "image"


@pytest.mark.parametrize(
    ("states", "verdict", "says"),
    [
        ({"fetch": ended(), "main": ended(3)}, "user_code", "the command failed [user code, exit code 3]"),
        (
            {"fetch": ended(), "main": ended(137, reason="OOMKilled")},
            "out_of_memory",
            "more memory than it may (limit 96Mi",
        ),
        (
            {"fetch": ended(), "main": ended(), "base": ended(137, reason="OOMKilled")},
            "killed",
            "container 'commit' used more memory than it may (limit 1Gi)",
        ),
        (
            {"fetch": ended(), "main": ended(128, reason="StartError", message='exec: "node": not found')},
            "configuration",
            'cannot be started (StartError): exec: "node": not found',
        ),
    ],
)
def test_a_staged_end_is_judged_by_the_container_that_failed(states, verdict, says):
    outcome = read_pod_outcome(PodState.of(pod("Failed", **states), container="base"), None)
    assert outcome.verdict == verdict
    assert says in outcome.message
