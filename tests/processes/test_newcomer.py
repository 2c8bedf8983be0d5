"""What a newcomer meets when something is not as it should be: one clear line each."""

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from demo import stack

ROOT = Path(__file__).parents[2]


@pytest.fixture
def clone(tmp_path):
    """The part of a clone that the bootstrap reads."""
    (tmp_path / "scripts").mkdir()
    shutil.copy(ROOT / "scripts" / "bootstrap.sh", tmp_path / "scripts")
    for name in ("constraints.txt", "constraints-hashed.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "bin").mkdir()

    def program(name, text):
        path = tmp_path / "bin" / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        return str(path)

    def bootstrap(**environment):
        done = subprocess.run(
            ["sh", "scripts/bootstrap.sh"],
            cwd=tmp_path,
            env={**os.environ, "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 1
        return done.stderr.strip()

    return program, bootstrap


def test_another_python(clone):
    program, bootstrap = clone
    old = program("python3", 'case "$1" in --version) echo Python 3.9.2;; *) exit 1;; esac')
    assert bootstrap(PYTHON=old) == f"airflow-ml-provider: PYTHON={old} is not Python 3.11, 3.12 or 3.13."
    for name in ("python3.11", "python3.12", "python3.13"):
        program(name, "exit 127")
    (line,) = bootstrap(PYTHON="").splitlines()
    assert "needs Python 3.11, 3.12 or 3.13" in line
    assert "found Python 3.9.2" in line
    assert "make demo PYTHON=/path/to/python3.12" in line


def test_a_full_disk(clone):
    program, bootstrap = clone
    program("df", 'echo "Filesystem 1024-blocks Used Available Capacity Mounted on"; echo "/dev/sda 9 9 250000 99% /"')
    line = bootstrap(PYTHON=sys.executable)
    assert line == "airflow-ml-provider: needs 3 GB of free disk here, 250 MB are free."


def test_no_network(clone):
    _, bootstrap = clone
    closed = "http://127.0.0.1:9/simple"
    (line,) = bootstrap(PYTHON=sys.executable, PIP_INDEX_URL=closed, PIP_FIND_LINKS="", PIP_RETRIES="0").splitlines()
    assert line.startswith("airflow-ml-provider: cannot download uv==")
    assert "is there a network?" in line


@pytest.fixture
def taken_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        yield taken.getsockname()[1]


def test_a_port_that_is_taken(taken_port, monkeypatch, capsys):
    other = stack._port("Airflow", "SOME_PORT", taken_port)
    assert other != taken_port
    line = f"Port {taken_port} is taken: Airflow uses {other} (SOME_PORT=... chooses another).\n"
    assert capsys.readouterr().out == line
    monkeypatch.setenv("SOME_PORT", str(taken_port))
    with pytest.raises(stack.DemoError, match=f"port {taken_port} is taken; choose another: make demo SOME_PORT="):
        stack._port("Airflow", "SOME_PORT", 8080)
    monkeypatch.setenv("SOME_PORT", "http")
    with pytest.raises(stack.DemoError, match="SOME_PORT=http is not a port"):
        stack._port("Airflow", "SOME_PORT", 8080)
