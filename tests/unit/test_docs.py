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
    for page in PAGES:
        for number, match in enumerate(FENCE.finditer(page.read_text())):
            if match[2] == language:
                text = textwrap.dedent(match[3])
                yield pytest.param(text, id=f"{page.relative_to(ROOT)}#{number}")


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


def typed(arguments):
    """Return the arguments as the page has them, up to a pipe; what needs a live Airflow only says its help."""
    alone = arguments[: arguments.index("|")] if "|" in arguments else arguments
    return [alone[0], "--help"] if alone[0] in ("reap", "doctor") else alone


@pytest.mark.parametrize("text", snippets("shell"))
def test_shell_does_what_the_page_says(text, tmp_path):
    folder = tmp_path
    if "airflow-ml" in text and "airflow-ml init" not in text:
        subprocess.run([str(Path(sys.executable).parent / "airflow-ml"), "init"], cwd=folder, check=True)
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for line in text.splitlines():
        words = line.split("#")[0].split()
        match words:
            case ["make", target, *_]:
                assert target in targets, line
            case ["airflow-ml", *arguments]:
                done = subprocess.run(
                    [str(Path(sys.executable).parent / "airflow-ml"), *typed(arguments)],
                    cwd=folder,
                    capture_output=True,
                    text=True,
                    check=False,
                )
                assert done.returncode == 0, f"{line}\n{done.stderr}"
            case ["python", script, *_]:
                assert (ROOT / script).is_file(), line
            case ["docker", "build", "-t", _, context]:
                assert (ROOT / context / "Dockerfile").is_file(), line
            case ["docker", "compose", "-f", file, *_]:
                assert (ROOT / file).is_file(), line
            case [] | ["pip" | "git" | "cd", *_]:
                pass
            case _:
                pytest.fail(f"a command that nobody checks: {line}")


def test_links_between_pages_lead_somewhere():
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page}: {target}"


def test_the_readme_shows_the_example_as_it_is():
    assert (ROOT / "example_dags/flight_delays/pipeline.yaml").read_text() in (ROOT / "README.md").read_text()
