"""Every snippet of README and docs is executed."""

import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from airflow_ml_provider.dag_factory import load_dags

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
FENCE = re.compile(r"^( *)```(\w+)\n(.*?)^ *```", re.DOTALL | re.MULTILINE)


def snippets(language):
    found = []
    for page in PAGES:
        for number, match in enumerate(FENCE.finditer(page.read_text())):
            if match[2] == language:
                found.append(pytest.param(textwrap.dedent(match[3]), id=f"{page.relative_to(ROOT)}#{number}"))
    return found


@pytest.fixture
def folder(tmp_path):
    """A DAGs folder with the code and suites that the snippets speak of."""
    example = ROOT / "example_dags" / "flight_delays"
    for part in ("flights", "suites"):
        shutil.copytree(example / part, tmp_path / part)
    (tmp_path / "steps").mkdir()
    stages = "".join(f"def {name}(**given): ...\n" for name in ("features", "train", "evaluate"))
    (tmp_path / "steps" / "stages.py").write_text(stages)
    (tmp_path / "load.py").write_text((ROOT / "example_dags" / "load_pipelines.py").read_text())
    return tmp_path


@pytest.mark.parametrize("text", snippets("yaml"))
def test_yaml_is_a_pipeline_without_mistakes(text, folder):
    name = re.match(r"pipeline: (\w+)", text)[1]
    (folder / f"{name}.yaml").write_text(text)
    dag = load_dags(str(folder / "load.py"))[name]
    assert "broken" not in dag.tags, dag.doc_md


@pytest.mark.parametrize("text", snippets("python"))
def test_python_runs(text, folder):
    script = folder / "snippet.py"
    script.write_text(text)
    done = subprocess.run([sys.executable, str(script)], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


COMMANDS = "integration/test_commands_of_the_docs.py"
ELSEWHERE = {
    "make demo": f"{COMMANDS}::test_make_demo",
    "make ui": f"{COMMANDS}::test_make_ui",
    "make generated": f"{COMMANDS}::test_make_generated_finds_nothing_to_do",
    "make page": "processes/test_page_bundle.py::test_make_page",
    "make constraints": f"{COMMANDS}::test_make_constraints",
    "make sbom": "processes/test_supply_chain.py::test_make_sbom",
    "make bench": f"{COMMANDS}::test_what_make_bench_runs",
    "python example_dags/flight_delays/get_data.py full-data": f"{COMMANDS}::test_all_flights",
    "pip install 'airflow-ml-provider[s3]'": "integration/test_installed_wheel.py::test_the_wheel_brings_its_extras",
    "airflow-ml manifests --namespace ml --account airflow --account-namespace airflow | kubectl apply -f -": (
        "cluster/test_rights.py::test_the_manifests_are_applied_as_the_page_says"
    ),
    "docker build -t registry.example.com/ml/stage:1.0 docker/stage": "cluster/conftest.py::cluster",
    "airflow-ml reap --namespace ml --dry-run": "cluster/test_reap.py::reap",
    "airflow-ml reap --namespace ml": "cluster/test_reap.py::reap",
}
"""What is run by another test, as it is or on the test's own namespace and image."""
NOT_IN_CI = {
    "make test": "what runs this",
    "make unit": "what runs this",
    "make soak": "longer than a test may take; its record is docs/reference/soak.md",
    "make loop": "tests/cluster/test_loop_in_pods.py goes round with the same two pipelines",
    "docker compose -f docker/compose.yaml up --build": "there is no Docker; started with podman-compose by hand",
}


def commands(text):
    return [line for part in text.splitlines() if (line := re.sub(r"\s+#.*", "", part).strip())]


@pytest.mark.parametrize("text", snippets("shell"))
def test_shell_does_what_the_page_says(text, tmp_path):
    lines = [line for line in commands(text) if line not in ELSEWHERE and line not in NOT_IN_CI]
    if lines and lines[0] != "airflow-ml init":
        lines.insert(0, "airflow-ml init")
    for line in lines:
        program, *arguments = line.split()
        assert program == "airflow-ml", f"a command that no test runs: {line}"
        command = [str(Path(sys.executable).parent / program), *arguments]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{line}\n{done.stderr}"


def test_what_runs_elsewhere_is_on_a_page_and_in_a_test():
    typed = {line for text in snippets("shell") for line in commands(text.values[0])}
    assert not (ELSEWHERE.keys() | NOT_IN_CI.keys()) - typed
    for where in ELSEWHERE.values():
        file, _, function = where.partition("::")
        assert f"def {function}(" in (ROOT / "tests" / file).read_text(), where
    targets = re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert {line.split()[1] for line in typed if line.startswith("make ")} <= set(targets)


def test_links_between_pages_lead_somewhere():
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page}: {target}"


def test_the_readme_shows_the_example_as_it_is():
    assert (ROOT / "example_dags/flight_delays/pipeline.yaml").read_text() in (ROOT / "README.md").read_text()
