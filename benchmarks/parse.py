"""What a pipeline costs a DAG processor: plain Python, dag-factory 1.1 and this provider, side by side.

Each process builds N pipelines of eight pod tasks in a chain, after the imports that all share: the processor time from
there, and the memory that stayed. Plain Python makes KubernetesPodOperators in a loop; "C-YAML" only loads the texts of
our pipelines with PyYAML's C loader, which every YAML factory has to do. dag-factory needs an environment of its own,
with the same Airflow (--dag-factory PYTHON, else it is made in a temporary folder with uv). Variants run in turn.

Goals: at most 1.5 x (plain Python + C-YAML), at least 6 x faster than dag-factory, linear to 1000; a worker's start
with 1000 files in the folder within 50 ms of its start with one.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

TASKS = 8
PRELUDE = """
import gc, glob, resource, sys, time
from datetime import timedelta
from kubernetes.client import V1ResourceRequirements
from airflow.sdk import DAG
from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
"""
PROGRAMS = {
    "plain Python": """
def work(folder, count):
    dags = []
    for n in range(count):
        with DAG(f"p{n}", schedule=None) as dag:
            before = None
            for t in range(8):
                task = KubernetesPodOperator(
                    task_id=f"stage_{t}", image="ml/stage:1", cmds=["python", "-m", "work"], arguments=["--n", str(t)],
                    namespace="ml", labels={"team": "ml", "cost-centre": "4711"},
                    env_vars={"LOG_LEVEL": "info", "OMP_NUM_THREADS": "2", "TZ": "UTC"},
                    container_resources=V1ResourceRequirements(
                        requests={"cpu": "2", "memory": "4Gi"}, limits={"memory": "4Gi"}),
                    node_selector={"pool": "ml", "disk": "ssd"}, service_account_name="ml-stage",
                    retries=2, retry_delay=timedelta(seconds=30), execution_timeout=timedelta(hours=2),
                    doc_md=f"Stage {t} of pipeline {n}: works on what the stage before it left.")
                if before is not None:
                    before >> task
                before = task
        dags.append(dag)
    return dags
""",
    "C-YAML": """
import yaml
def work(folder, count):
    found = []
    for path in sorted(glob.glob(folder + "/ours/*.yaml")):
        with open(path) as file:
            found.append(yaml.load(file, Loader=yaml.CSafeLoader))
    return found
""",
    "dag-factory": """
import dagfactory
def work(folder, count):
    found = {}
    dagfactory.load_yaml_dags(globals_dict=found, dags_folder=folder + "/dag_factory")
    return [value for value in found.values() if isinstance(value, DAG)]
""",
    "airflow-ml-provider": """
from airflow_ml_provider.dag_factory import load_dags
# What a first pipeline brings with it (modules, validators) is not a cost of the others.
import tempfile, pathlib
first = pathlib.Path(tempfile.mkdtemp())
text = pathlib.Path(sys.argv[1], "ours", "p0.yaml").read_text()
(first / "first.yaml").write_text(text.replace("p0", "first"))
load_dags(str(first / "load.py"))
def work(folder, count):
    return load_dags(folder + "/ours/load.py")
""",
}
MEASURE = """
folder, count = sys.argv[1], int(sys.argv[2])
gc.collect()
rss = lambda: int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize()
before, started = rss(), time.process_time()
dags = work(folder, count)
spent = time.process_time() - started
assert len(dags) == count, len(dags)
print("measured", spent, rss() - before)
"""
WORKER = """
import os, sys, time
os.environ["_AIRFLOW_PARSING_CONTEXT_DAG_ID"] = "p0"
import airflow.providers.cncf.kubernetes.operators.pod
started = time.perf_counter()
from airflow_ml_provider.dag_factory import load_dags
assert list(load_dags(sys.argv[1] + "/ours/load.py")) == ["p0"]
print("measured", time.perf_counter() - started, 0)
"""


def write_pipelines(folder: Path, count: int) -> None:
    """Write ``count`` pipelines, the same for us and for dag-factory."""
    (folder / "ours").mkdir(parents=True)
    (folder / "dag_factory").mkdir()
    for n in range(count):
        stages = [
            f"  stage_{t}:\n    kind: container\n    command: [python, -m, work, --n, '{t}']\n"
            f"    pod:\n      labels: {{team: ml, cost-centre: '4711'}}\n      namespace: ml\n"
            f"      env: {{LOG_LEVEL: info, OMP_NUM_THREADS: '2', TZ: UTC}}\n"
            f"      node_selector: {{pool: ml, disk: ssd}}\n      service_account: ml-stage\n"
            f"    resources: {{cpu: 2, memory: 4Gi}}\n    retries: 2\n    retry_delay: 30s\n    timeout: 2h\n"
            f"    doc: 'Stage {t} of pipeline {n}: works on what the stage before it left.'\n"
            + (f"    needs: [stage_{t - 1}]\n" if t else "")
            for t in range(TASKS)
        ]
        (folder / "ours" / f"p{n}.yaml").write_text(f"pipeline: p{n}\nimage: ml/stage:1\nstages:\n{''.join(stages)}")
        tasks = [
            f"    stage_{t}:\n      operator: airflow.providers.cncf.kubernetes.operators.pod.KubernetesPodOperator\n"
            f"      image: ml/stage:1\n      cmds: [python, -m, work]\n      arguments: [--n, '{t}']\n"
            f"      labels: {{team: ml, cost-centre: '4711'}}\n      namespace: ml\n"
            f"      env_vars: {{LOG_LEVEL: info, OMP_NUM_THREADS: '2', TZ: UTC}}\n"
            f"      node_selector: {{pool: ml, disk: ssd}}\n      service_account_name: ml-stage\n"
            f"      container_resources:\n        __type__: kubernetes.client.V1ResourceRequirements\n"
            f"        requests: {{cpu: '2', memory: 4Gi}}\n        limits: {{memory: 4Gi}}\n"
            f"      retries: 2\n      retry_delay: {{__type__: datetime.timedelta, seconds: 30}}\n"
            f"      execution_timeout: {{__type__: datetime.timedelta, hours: 2}}\n"
            f"      doc_md: 'Stage {t} of pipeline {n}: works on what the stage before it left.'\n"
            + (f"      dependencies: [stage_{t - 1}]\n" if t else "")
            for t in range(TASKS)
        ]
        (folder / "dag_factory" / f"p{n}.yaml").write_text(
            f"p{n}:\n  default_args: {{start_date: 2024-01-01}}\n  schedule: null\n  tasks:\n{''.join(tasks)}"
        )


def measured(python: str, program: str, folder: Path, count: int, environment: dict[str, str]) -> tuple[float, float]:
    """Run a program in a fresh process; return its seconds and bytes."""
    command = [python, "-c", program, str(folder), str(count)]
    done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
    lines = [line for line in done.stdout.splitlines() if line.startswith("measured ")]
    if not lines:
        sys.exit(f"{program}\nfailed:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")
    _, seconds, size = lines[-1].split()
    return float(seconds), float(size)


def environment_of_dag_factory(folder: Path) -> str:
    """Make an environment with dag-factory and the same Airflow; return its Python."""
    from importlib.metadata import version

    python = folder / "bin" / "python"
    uv = str(Path(sys.executable).with_name("uv"))
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, str(folder)], check=True)
    packages = ["dag-factory>=1.1,<1.2", *(f"{name}=={version(name)}" for name in SHARED)]
    subprocess.run([uv, "pip", "install", "--quiet", "--python", str(python), *packages], check=True)
    return str(python)


SHARED = ("apache-airflow", "apache-airflow-providers-cncf-kubernetes")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--counts", type=int, nargs="+", default=[10, 100, 1000])
    parser.add_argument("--dag-factory", help="the Python of an environment with dag-factory 1.1")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as root:
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        environment |= {"AIRFLOW_HOME": f"{root}/home", "AIRFLOW__CORE__UNIT_TEST_MODE": "False"}
        other = options.dag_factory or environment_of_dag_factory(Path(root, "dag-factory"))
        pythons = {name: other if name == "dag-factory" else sys.executable for name in PROGRAMS}
        folders = {count: Path(root, str(count)) for count in {1, *options.counts}}
        for count, folder in folders.items():
            write_pipelines(folder, count)
        for count in options.counts:
            found: dict[str, list[tuple[float, float]]] = {name: [] for name in PROGRAMS}
            for repeat in range(options.repeats + 1):
                for name, program in PROGRAMS.items():
                    one = measured(pythons[name], PRELUDE + program + MEASURE, folders[count], count, environment)
                    if repeat:
                        found[name].append(one)
            report(count, found)
        starts: dict[int, list[float]] = {1: [], max(options.counts): []}
        for repeat in range(2 * options.repeats + 1):
            for count, times in starts.items():
                spent, _ = measured(sys.executable, WORKER, folders[count], count, environment)
                if repeat:
                    times.append(spent)
        one, many = (1000 * statistics.median(times) for times in starts.values())
        most = max(options.counts)
        print(f"a worker's start: {one:.1f} ms with 1 file, {many:.1f} ms with {most} ({many - one:+.1f})")


def report(count: int, found: dict[str, list[tuple[float, float]]]) -> None:
    """Print a table of medians and the ratios of the goals."""
    print(f"{count} pipelines of {TASKS} tasks, {len(found['C-YAML'])} repeats, processor time")
    print(f"{'':<22} {'ms a DAG':>9} {'min':>7} {'max':>7} {'KiB a DAG':>10}")
    medians = {}
    for name, repeats in found.items():
        each = [1000 * seconds / count for seconds, _ in repeats]
        medians[name] = statistics.median(each)
        size = statistics.median(size for _, size in repeats) / count / 1024
        print(f"{name:<22} {medians[name]:>9.2f} {min(each):>7.2f} {max(each):>7.2f} {size:>10.1f}")
    ours, base = medians["airflow-ml-provider"], medians["plain Python"] + medians["C-YAML"]
    print(f"  {ours / base:.2f} x (plain Python + C-YAML); dag-factory {medians['dag-factory'] / ours:.2f} x ours\n")


if __name__ == "__main__":
    main()
