"""What SIGTERM finds in the middle of: handlers set a flag, and whatever lock is held, the process ends."""

import ast
import signal
from pathlib import Path

import pytest

from airflow_ml_provider.artifacts.checkpoints import committed_checkpoints
from airflow_ml_provider.protocol.request import Checkpoints
from tests.live.attempts import Attempts

PACKAGE = Path(__file__).parents[2] / "airflow_ml_provider"
CODE = """
import os, signal, sys, threading

def printing(data, model, checkpoints):
    (checkpoints / "state").write_text("1")
    while True:
        print("x" * 100)

def ending(data, model, checkpoints):
    # In the middle of what any Event does.
    (checkpoints / "state").write_text("1")
    event = threading.Event()
    with event._cond:
        print("locked", flush=True)
        os.kill(os.getpid(), signal.SIGTERM)
        sys.stdout.flush()
        threading.Event().wait(60)
"""


@pytest.mark.parametrize("function", ["printing", "ending"])
def test_a_signal_in_the_middle_of_anything_saves_and_ends(tmp_path, function):
    attempts = Attempts(tmp_path)
    request = attempts.request(
        run=f"mycode.stages:{function}", code=attempts.code(CODE), checkpoints=Checkpoints(every=3600)
    )
    process = attempts.start(request)
    process.stdout.readline()
    if function == "printing":
        process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode == 128 + signal.SIGTERM
    assert committed_checkpoints(request.attempt_uri)


def handlers():
    """Find the functions that are given to ``signal.signal``, and those that are called from such ones by Airflow."""
    for path in sorted(PACKAGE.rglob("*.py")):
        tree = ast.parse(path.read_text())
        functions = {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
        for node in ast.walk(tree):
            match node:
                case ast.Call(func=ast.Attribute(attr="signal", value=ast.Name(id="signal")), args=[_, handler]):
                    name = getattr(handler, "attr", getattr(handler, "id", ""))
                    if name in functions:
                        yield f"{path.name}:{name}", functions[name]
                    elif isinstance(handler, ast.Lambda):
                        yield f"{path.name}:lambda", handler
        if path.name == "server.py" and "serve" in path.parts:
            yield "server.py:handle_exit", functions["handle_exit"]
        if path.name == "local_runner.py":
            yield "local_runner.py:stop", functions["stop"]


def test_handlers_call_nothing_that_takes_a_lock():
    found = dict(handlers())
    assert len(found) >= 5, found
    for name, handler in found.items():
        called = {ast.unparse(node.func) for node in ast.walk(handler) if isinstance(node, ast.Call)}
        assert called <= {"os._exit", "keeper.leave"}, (name, called)
