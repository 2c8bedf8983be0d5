"""The pod of a stage, from a pipeline's text to what is sent to Kubernetes, against golden files."""

import ast
import base64
import io
import json
import os
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

import pytest
import yaml
from kubernetes.client import ApiClient

from airflow_ml_provider.dag_factory.builder import build
from airflow_ml_provider.errors import StageConfigurationError
from airflow_ml_provider.kinds.code import packed_built_in
from airflow_ml_provider.operators import TrainOperator
from airflow_ml_provider.pod.compose import compose
from airflow_ml_provider.pod.injection import BOOTSTRAP, RUNTIME_LIMIT_BYTES, STEP_BOOTSTRAP, packed_runtime, shortened
from airflow_ml_provider.pod.names import pod_labels, pod_name
from airflow_ml_provider.protocol.environment import REQUEST_VARIABLE, RUNTIME_VARIABLE
from airflow_ml_provider.protocol.names import BODIES
from airflow_ml_provider.protocol.request import StageRequest
from airflow_ml_provider.spec.loading.load import load_pipeline
from tests.settled import settled

GOLDEN = Path(__file__).parents[1] / "golden"


def request(**changes):
    values = {
        "kind": "train",
        "pipeline": "flights",
        "stage": "train",
        "dag_run": "manual__2026-11-24T12:00:00+00:00",
        "attempt": "1.1",
        "attempt_uri": "s3://artifacts/store/flights/run/train/-1/1.1",
        "run": "flights.stages:train",
        "params": {"cost": "$(HOME) $$ $5"},
        "outputs": {"model": "model"},
    }
    return StageRequest(**{**values, **changes})


def composed(operator, **changes):
    pod = operator.build_pod_request_obj(dry_run=True)
    staged_by = operator.io_image if settled(operator).is_staged else None
    return ApiClient().sanitize_for_serialization(
        compose(pod, request(**changes), container=operator.base_container_name, staged_by=staged_by)
    )


def without_versions(pod):
    """Drop what changes with every edit of the runtime and every Airflow."""
    del pod["metadata"]["labels"]["airflow_version"]
    for container in (*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"]):
        for variable in container["env"]:
            if variable["name"] == RUNTIME_VARIABLE:
                variable["value"] = "(the packed runtime)"
        for bootstrap, name in ((BOOTSTRAP, "(the bootstrap)"), (STEP_BOOTSTRAP, "(the bootstrap of a step)")):
            if bootstrap in container["command"]:
                container["command"][2] = name
    return pod


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*/pipeline.yaml")), ids=lambda path: path.parent.name)
def test_a_pipelines_pod_is_the_golden_one(path):
    spec = load_pipeline(path)
    operator = build(spec, base_folder=path.parent).get_task("train")
    work = {"run": None, "command": tuple(operator.command)} if operator.command else {}
    pod = without_versions(composed(operator, **work))
    golden = path.parent / "pod.yaml"
    if os.environ.get("ML_WRITE_GOLDEN"):
        golden.write_text(yaml.safe_dump(pod, sort_keys=True))
    assert pod == yaml.safe_load(golden.read_text())


TEMPLATE = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "x"},
    "spec": {"automountServiceAccountToken": True, "serviceAccountName": "own", "containers": [{"name": "base"}]},
}


@pytest.mark.parametrize(
    ("arguments", "option", "account", "token"),
    [
        ({}, "", None, False),
        ({}, "ml-stage", "ml-stage", False),
        ({"pod_template_dict": TEMPLATE}, "ml-stage", "own", True),
        ({"service_account_name": "mine"}, "ml-stage", "mine", False),
        ({"service_account_name": "mine", "automount_service_account_token": True}, "", "mine", True),
        ({"pod_template_dict": TEMPLATE, "automount_service_account_token": False}, "", "own", False),
    ],
)
def test_a_pod_has_no_token_of_its_account_unless_that_is_said(monkeypatch, arguments, option, account, token):
    monkeypatch.setenv("AIRFLOW__ML__SERVICE_ACCOUNT", option)
    operator = TrainOperator(task_id="train", run="m:f", image="i:1", namespace="ml", **arguments)
    spec = composed(operator)["spec"]
    assert (spec.get("serviceAccountName"), spec["automountServiceAccountToken"]) == (account, token)


def test_no_value_of_the_request_is_expanded_by_kubernetes():
    operator = TrainOperator(task_id="train", run="m:f", image="i:1", namespace="ml")
    env = {entry["name"]: entry.get("value") for entry in composed(operator)["spec"]["containers"][0]["env"]}
    assert "$$(HOME) $$$$ $$5" in env[REQUEST_VARIABLE]
    assert StageRequest.from_json(env[REQUEST_VARIABLE].replace("$$", "$")).params == {"cost": "$(HOME) $$ $5"}


@pytest.mark.parametrize(
    ("arguments", "changes", "says"),
    [
        ({}, {}, "has no image to run in"),
        ({"image": "i"}, {"attempt_uri": "file:///tmp/store/1.1"}, "use a store such as s3://"),
        (
            {"image": "i", "base_container_name": "main"},
            {"container": "other"},
            "has no container 'other', it has main",
        ),
    ],
)
def test_a_pod_that_cannot_run_a_stage_is_refused(arguments, changes, says):
    container = changes.pop("container", None)
    operator = TrainOperator(task_id="train", run="m:f", namespace="ml", **arguments)
    pod = operator.build_pod_request_obj(dry_run=True)
    with pytest.raises(StageConfigurationError, match=says):
        compose(pod, request(**changes), container=container or operator.base_container_name)


def test_a_store_on_a_mounted_volume_is_accepted():
    from kubernetes.client import V1VolumeMount

    mounts = [V1VolumeMount(name="shared", mount_path="/mnt/ml")]
    operator = TrainOperator(task_id="train", run="m:f", namespace="ml", image="i", volume_mounts=mounts)
    assert composed(operator, attempt_uri="file:///mnt/ml/store/1.1")


def test_names_and_labels_are_valid_however_odd_the_ids():
    odd = request(stage="Größe " + "x" * 300, pipeline="p" * 250, dag_run="scheduled__" + "2" * 240, attempt="12.345")
    assert len(pod_name(odd)) <= 63
    assert pod_name(odd).replace("-", "").isalnum()
    assert all(len(value) <= 63 for value in pod_labels(odd).values())
    assert pod_name(odd) != pod_name(request(stage="Größe " + "x" * 299, pipeline="p" * 250))
    assert pod_name(request()) == pod_name(request())
    assert pod_name(request(attempt="1.2")) != pod_name(request())


def test_what_a_runtime_does_not_need_goes_and_lines_stay():
    source = (
        'def first(given: str = "ä: b", *more: int, only: M[\n    str, int\n] = {}, **rest: Any) -> A[int, ...]:\n'
        '    """Said."""\n    kept: int = 1  # why\n'
        "    self.a: list[\n        int\n    ] = []\n    b: int\n    return lambda x: {1: kept}\n"
        "class Kept:\n    field: int\n    other: int = 1\n    async def run(self: Self) -> None: ...\n"
        'def empty() -> None:\n    """Said.\n\n    Twice.\n    """\n'
    )
    assert shortened(source) == (
        'def first(given = "ä: b", *more, only = {}, **rest):\n\n\n'
        "\n    kept = 1\n    self.a = []\n\n\n    b: int\n    return lambda x: {1: kept}\n"
        "class Kept:\n    field: int\n    other: int = 1\n    async def run(self): ...\n"
        "def empty():\n    ''\n\n\n\n"
    )


class Meaning(ast.NodeTransformer):
    """Takes out of a module what its shortened source need not have."""

    def visit_FunctionDef(self, node):
        node.returns, inside = None, self.inside
        self.inside = True
        self.generic_visit(node)
        self.inside = inside
        return self.without_texts(node)

    visit_AsyncFunctionDef = visit_FunctionDef
    inside = True

    def visit_ClassDef(self, node):
        inside, self.inside = self.inside, False
        self.generic_visit(node)
        self.inside = inside
        return self.without_texts(node)

    def visit_Module(self, node):
        self.generic_visit(node)
        return self.without_texts(node)

    def visit_arg(self, node):
        node.annotation = None
        return node

    def visit_AnnAssign(self, node):
        self.generic_visit(node)
        if node.value is None or not self.inside:
            return node
        return ast.Assign(targets=[node.target], value=node.value, lineno=node.lineno)

    def without_texts(self, node):
        texts = [each for each in node.body if isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant)]
        node.body = [each for each in node.body if each not in texts] or [ast.Pass()]
        return node


def test_what_travels_means_what_the_sources_do():
    sources = Path(__file__).parents[2]
    for name, text in json.loads(zlib.decompress(base64.b64decode(packed_runtime()))).items():
        wanted, found = ((Meaning().visit(ast.parse(each))) for each in ((sources / name).read_text(), text))
        assert ast.dump(found) == ast.dump(wanted), name


def test_the_runtime_fits_and_speaks_python_3_10():
    packed = packed_runtime()
    assert len(packed) <= RUNTIME_LIMIT_BYTES
    for name, text in json.loads(zlib.decompress(base64.b64decode(packed))).items():
        ast.parse(text, filename=name, feature_version=(3, 10))
    assert packed == packed_runtime.__wrapped__()


@pytest.mark.parametrize("body", BODIES)
def test_a_body_travels_with_what_it_shares_and_speaks_python_3_10(body):
    with zipfile.ZipFile(io.BytesIO(packed_built_in(body))) as archive:
        names = archive.namelist()
        for name in names:
            ast.parse(archive.read(name), filename=name, feature_version=(3, 10))
    assert {f"{body}/__init__.py", "dataset/reading.py", "registered.py"} <= set(names)


def test_the_bootstrap_runs_a_stage_with_the_standard_library_and_fsspec_alone(tmp_path):
    """A fresh interpreter that does not see this package."""
    work = request(attempt_uri=f"file://{tmp_path}/1.1", run=None, command=("sh", "-c", "env"), outputs={}, params={})
    environment = {
        "PATH": os.environ["PATH"],
        "TMPDIR": str(tmp_path),
        REQUEST_VARIABLE: work.to_json(),
        RUNTIME_VARIABLE: packed_runtime(),
    }
    script = f"import sys; sys.meta_path = [f for f in sys.meta_path if 'editable' not in repr(f)]\n{BOOTSTRAP}"
    done = subprocess.run(
        [sys.executable, "-I", "-c", script], env=environment, capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "1.1" / "_result.json").exists()
    assert RUNTIME_VARIABLE not in done.stdout
    assert REQUEST_VARIABLE not in done.stdout
