"""``airflow-ml run``: a whole pipeline on this machine, with live progress."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterable
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.live import Live
from rich.markdown import Markdown
from rich.table import Table
from rich.text import Text

from airflow_ml_provider.cli.pipelines.files import USAGE, load_one
from airflow_ml_provider.local.events import Event, LocalRunRequest, RunEvent, StageEvent, TrialEvent
from airflow_ml_provider.protocol.plain_text import one_line, printable
from airflow_ml_provider.spec.loading.discovery import pipeline_name

if TYPE_CHECKING:
    from airflow_ml_provider.dag_factory.airflow_run import AirflowRun
    from airflow_ml_provider.local.pipeline_run import LocalRun
    from airflow_ml_provider.local.task_run import Ask

_COLOURS = {"success": "green", "failed": "red", "upstream_failed": "yellow", "running": "cyan"}
_TAIL = 12


def run(request: LocalRunRequest, *, in_airflow: bool, as_json: bool) -> int:
    """Run a pipeline and return the exit code: 0 when every stage succeeded, 1 when not, 2 when it could not begin.

    Raises:
        typer.Exit: The pipeline has mistakes, or a param is none.
    """
    file = Path(request.file)
    log = Path(request.home) / "logs" / f"{pipeline_name(file)}-{time.strftime('%Y%m%dT%H%M%S')}-{os.getpid()}.log"
    load_one(file, environment=request.environment)
    screen = _Screen()
    console = Console(stderr=as_json, highlight=False, emoji=False)
    live = Live(screen, console=console, refresh_per_second=8) if console.is_terminal else None
    run_here = _run_of(request, log=log, in_airflow=in_airflow, ask=_asking(console, live))
    with live or nullcontext():
        for event in run_here.events():
            screen.take(event)
            screen.tell(event, console)
    if screen.run.state == "refused":
        typer.echo(screen.run.message, err=True)
        return USAGE
    if as_json:
        typer.echo(json.dumps(screen.summary(), indent=2))
    else:
        _end(screen, console, log)
    return 0 if screen.run.state == "success" else 1


def _run_of(request: LocalRunRequest, *, log: Path, in_airflow: bool, ask: Ask | None) -> LocalRun | AirflowRun:
    if not in_airflow:
        from airflow_ml_provider.local.pipeline_run import LocalRun

        return LocalRun(request, log=log, ask=ask)
    from airflow_ml_provider.dag_factory.airflow_run import AirflowRun

    return AirflowRun(request, log=log)


class _Screen:
    """What is known of the run, as a table."""

    def __init__(self) -> None:
        self.run = RunEvent("starting")
        self.notice = ""
        self.events: dict[str, StageEvent] = {}
        self.began: dict[str, float] = {}
        self.seconds: dict[str, float] = {}
        self._started = time.monotonic()

    def take(self, event: Event) -> None:
        now = time.monotonic()
        if isinstance(event, TrialEvent):
            return
        if isinstance(event, RunEvent):
            self.run = event
            if event.state == "running":
                self.notice = event.message
                self.events = {name: StageEvent(name, "waiting") for name in event.stages}
            return
        self.events[event.stage] = event
        if event.state == "running":
            self.began[event.stage] = now
        elif event.stage in self.began:
            self.seconds[event.stage] = now - self.began[event.stage]

    def tell(self, event: Event, console: Console) -> None:
        if isinstance(event, TrialEvent):
            console.print(f"  {event.trial}", markup=False, soft_wrap=True)
        if console.is_terminal:
            return
        if isinstance(event, StageEvent) and event.state == "running":
            console.print(f"{event.stage}: running", markup=False)
        elif isinstance(event, StageEvent):
            spent = f" in {self.seconds[event.stage]:.1f} s" if event.stage in self.seconds else ""
            console.print(f"{event.stage}: {event.state}{spent} {_found(event)}".rstrip(), markup=False, soft_wrap=True)

    def __rich__(self) -> Table:
        table = Table("stage", "state", "seconds", "metrics", box=None, pad_edge=False)
        if not self.events:
            table.add_row("", f"starting, {time.monotonic() - self._started:.0f} s", "", "")
        for name, event in self.events.items():
            spent = self.seconds.get(name)
            if spent is None and name in self.began:
                spent = time.monotonic() - self.began[name]
            colour = _COLOURS.get(event.state, "dim")
            shown = "" if spent is None else f"{spent:.1f}"
            table.add_row(name, f"[{colour}]{event.state}[/]", shown, Text(one_line(_found(event))))
        return table

    def summary(self) -> dict[str, Any]:
        return {
            "state": self.run.state,
            "stages": {
                name: {
                    "state": event.state,
                    "seconds": self.seconds.get(name),
                    "metrics": event.metrics,
                    "outputs": event.outputs,
                    **({"cache": event.cache} if event.cache else {}),
                    **({"message": event.message} if event.message else {}),
                }
                for name, event in self.events.items()
            },
        }


def _asking(console: Console, live: Live | None) -> Ask | None:
    """Return what asks a person at the terminal, ``None`` when nobody is there."""
    if live is None or not sys.stdin.isatty():
        return None

    def ask(stage: str, question: str, about: str) -> bool:
        live.stop()
        try:
            console.print(Markdown(about))
            return typer.confirm(f"{stage}: {question}")
        finally:
            live.start(refresh=True)

    return ask


def _end(screen: _Screen, console: Console, log: Path) -> None:
    if screen.notice:
        console.print(screen.notice, markup=False, soft_wrap=True)
    failed = [event for event in screen.events.values() if event.state == "failed"]
    errors = Console(stderr=True, highlight=False, emoji=False)
    for event in failed:
        first, *rest = printable(event.message).split("\n") if event.message else ["no reason is known"]
        errors.print(f"[red]{event.stage} failed:[/] ", end="")
        errors.print(first, markup=False, soft_wrap=True)
        for line in rest[-_TAIL:]:
            errors.print(line, markup=False, soft_wrap=True)
    if screen.run.state != "success":
        errors.print(screen.run.message or f"the whole log: {_relative(log)}", markup=False, soft_wrap=True)
        return
    for line in _made(screen.events.values()):
        console.print(line, markup=False, soft_wrap=True)


def _made(events: Iterable[StageEvent]) -> list[str]:
    """Return lines about endpoints, and about the outputs of the last stage that has some."""
    endpoints: list[str] = []
    outputs: list[str] = []
    for event in events:
        endpoint = event.outputs.get("endpoint")
        if isinstance(endpoint, dict) and "url" in endpoint:
            endpoints.append(f"{event.stage}: {endpoint['url']}")
        found = [
            f"{event.stage}.{name}: {output['uri']}"
            for name, output in event.outputs.items()
            if isinstance(output, dict) and "uri" in output
        ]
        outputs = found or outputs
    return [*outputs, *endpoints]


def _relative(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _found(event: StageEvent) -> str:
    """Return what a stage measured, and what its gate said of that."""
    found = [f"{name} {value:.6g}" for name, value in event.metrics.items()]
    gate = event.outputs.get("gate")
    if isinstance(gate, dict) and not gate["passed"]:
        found.append(f"gate not passed: {'; '.join(gate['reasons'])}")
    if event.cache:
        found.append(f"({event.cache})")
    return "  ".join(found)
