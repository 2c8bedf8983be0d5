"""Run KubernetesPodOperator's own unit tests as they are, then with StageOperator in its place.

    python -m tests.kpo_suite.run

The tests come from the provider's source distribution of the installed version, from the package index. What a stage
does otherwise is declared, with the reason, in declared.toml; a test that fails without being declared ends the run
with 1, and so does a declaration that no test needs. Everything is written below a temporary folder that is removed at
the end: the tests empty the tables of Airflow's database, so they never get one that was there before.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import xml.etree.ElementTree as ET
from importlib.metadata import version
from pathlib import Path

PROVIDER = "apache-airflow-providers-cncf-kubernetes"
TEST_FILE = "unit/cncf/kubernetes/operators/test_pod.py"
ADAPTER = Path(__file__).parent
"""Has stage_adapter.py, and in tests_common what the tests import of Airflow's development tools."""

NEEDED = {"time_machine": "time-machine", "pytest_mock": "pytest-mock"}
"""What the tests import or ask for as a fixture next to pytest and Airflow."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--log", type=Path, help="where the output of the tests with StageOperator is left")
    log = parser.parse_args().log
    with tempfile.TemporaryDirectory(prefix="kpo-suite-") as name:
        folder = Path(name)
        tests, extra = source_tests(folder), missing_packages(folder)
        env = environment(folder, paths=(ADAPTER, ADAPTER.parents[1], tests, extra))
        run([sys.executable, "-m", "airflow", "db", "migrate"], env, log=folder / "migrate.log")
        stock = results(folder / "stock", tests, env)
        staged = results(folder / "staged", tests, env, "-p", "stage_adapter")
        if log is not None:
            shutil.copy(folder / "staged.log", log)
    print(f"{PROVIDER} {version(PROVIDER)}, {TEST_FILE}")
    for label, found in (("KubernetesPodOperator", stock), ("StageOperator", staged)):
        counts = {state: list(found.values()).count(state) for state in ("passed", "failed", "error", "skipped")}
        print(f"{label}: " + ", ".join(f"{count} {state}" for state, count in counts.items() if count))
    passing = {test for test, state in stock.items() if state == "passed"}
    tell("fail with both", sorted(stock.keys() - passing))
    return judge(sorted(test for test in passing if staged.get(test) != "passed"))


def judge(failing: list[str]) -> int:
    """Say which of the tests that only KubernetesPodOperator passes are declared; return the exit code."""
    rest, unused = list(failing), []
    for declared in tomllib.loads((ADAPTER / "declared.toml").read_text()).values():
        found = [test for test in rest if any(f"::{name}" in f"::{test}" for name in declared["tests"])]
        unused += [name for name in declared["tests"] if not any(f"::{name}" in f"::{test}" for test in found)]
        rest = [test for test in rest if test not in found]
        tell(declared["reason"], found)
    tell("not declared", rest)
    tell("declared, but no such test fails", unused)
    return 1 if rest or unused else 0


def source_tests(folder: Path) -> Path:
    """Return the folder ``tests`` of the provider's source distribution, in the installed version."""
    wanted = f"{PROVIDER}=={version(PROVIDER)}"
    pip("download", "--no-deps", "--no-binary", ":all:", "--dest", str(folder), wanted)
    (archive,) = folder.glob("*.tar.gz")
    with tarfile.open(archive) as packed:
        packed.extractall(folder / "source", filter="data")
    (test_file,) = (folder / "source").glob(f"*/tests/{TEST_FILE}")
    return test_file.parents[TEST_FILE.count("/")]


def missing_packages(folder: Path) -> Path:
    """Return a folder with the packages that the tests need and the environment lacks; it is not changed itself."""
    extra = folder / "extra"
    if missing := [package for module, package in NEEDED.items() if importlib.util.find_spec(module) is None]:
        pip("install", "--no-deps", "--target", str(extra), *missing)
    return extra


def environment(folder: Path, paths: tuple[Path, ...]) -> dict[str, str]:
    """Return the variables of the runs: none that leads to an Airflow, a cluster or a setting of the caller."""
    ours = ("AIRFLOW", "PYTEST", "PYTHON", "KUBE")
    return {
        **{key: value for key, value in os.environ.items() if not key.startswith(ours)},
        "AIRFLOW_HOME": str(folder / "airflow"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__UNIT_TEST_MODE": "True",
        "PYTHONPATH": os.pathsep.join(map(str, paths)),
        "PYTHONPYCACHEPREFIX": str(folder / "pyc"),
    }


def results(report: Path, tests: Path, env: dict[str, str], *options: str) -> dict[str, str]:
    """Run the test file; return ``passed``, ``failed``, ``error`` or ``skipped`` by test."""
    pytest = [sys.executable, "-m", "pytest", "-q", "-c", os.devnull, "--rootdir", str(tests)]
    plain = ["-p", "no:cacheprovider", "-p", "no:xdist", f"--junitxml={report}.xml"]
    # 1 is pytest's code for tests that failed; any other says that they were not run.
    run([*pytest, *plain, *options, str(tests / TEST_FILE)], env, log=report.with_suffix(".log"), allowed=(0, 1))
    found: dict[str, str] = {}
    for case in ET.parse(f"{report}.xml").iter("testcase"):
        states = {"failure": "failed", "error": "error", "skipped": "skipped"}
        state = next((states[child.tag] for child in case if child.tag in states), "passed")
        test = f"{case.get('classname', '').rpartition('.')[2]}::{case.get('name')}"
        # A test whose teardown fails too is listed twice.
        found[test] = state if found.get(test, "passed") == "passed" else found[test]
    return found


def pip(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "pip", "--quiet", *arguments], check=True)


def run(command: list[str], env: dict[str, str], *, log: Path, allowed: tuple[int, ...] = (0,)) -> None:
    with log.open("w") as out:
        streams = {"stdout": out, "stderr": subprocess.STDOUT}
        code = subprocess.run(command, env=env, cwd=log.parent, check=False, **streams).returncode
    if code not in allowed:
        raise SystemExit(f"{' '.join(command)} ended with {code}:\n{log.read_text()[-4000:]}")


def tell(title: str, tests: list[str]) -> None:
    print(f"\n{title} ({len(tests)}):", *tests, sep="\n  ")


if __name__ == "__main__":
    sys.exit(main())
