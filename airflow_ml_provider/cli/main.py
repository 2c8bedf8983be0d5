"""``airflow-ml``: create, validate, run and inspect pipelines.

Exit codes: 0 all is well, 1 a pipeline has mistakes or a run failed, 2 the command was called wrongly.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from airflow_ml_provider.cli.inventory import cache_commands, data_commands, endpoint_commands, model_commands
from airflow_ml_provider.cli.options import HERE, Environment, Pipeline

# Nothing else of this package is imported with the command line: each command brings what it needs.

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="Machine-learning pipelines in Airflow: write, check and run them.",
    epilog="Begin with `airflow-ml init`, then `airflow-ml validate` and `airflow-ml run`.",
)


@app.command(epilog="`airflow-ml init` · `airflow-ml init dags/ --name churn`")
def init(
    *,
    folder: Annotated[Path, typer.Argument(help="Where to write it")] = HERE,
    name: Annotated[str | None, typer.Option(help="The pipeline's name; asked for on a terminal")] = None,
    image: Annotated[str | None, typer.Option(help="Container image, for running in pods")] = None,
) -> None:
    """Write a pipeline that runs, with real data, to begin with."""
    from airflow_ml_provider.cli.pipelines.init import init as write

    write(folder, name=name, image=image)


@app.command(
    epilog="`airflow-ml validate` · `airflow-ml validate dags/ --env prod` · `airflow-ml validate --format github`"
)
def validate(
    *,
    paths: Annotated[list[Path] | None, typer.Argument(help="Pipeline files and folders; default: here")] = None,
    env: Environment = None,
    style: Annotated[str, typer.Option("--format", help="text, json, github or sarif")] = "text",
    as_json: Annotated[bool, typer.Option("--json", help="Short for --format json")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings are mistakes")] = False,
    airflow: Annotated[
        bool, typer.Option("--airflow", help="Check against Airflow's configuration too: its [ml] runner")
    ] = False,
) -> None:
    """Check pipelines: every mistake of every file, with line, column and what to do. User code is read, never run."""
    from airflow_ml_provider.cli.pipelines import files as pipelines
    from airflow_ml_provider.cli.pipelines import validate as command

    chosen = "json" if as_json else style
    if chosen not in list(command.Format):
        pipelines.fail(f"--format {chosen!r}: allowed are {', '.join(command.Format)}")
    files = pipelines.files_of(paths or [HERE])
    runner = command.runner_of_airflow() if airflow else None
    checked = [command.check(file, environment=env, runner=runner) for file in files]
    if not any(file.mistakes for file in checked):
        pipelines.require_environment(files, env)
    checked = command.with_names_taken_once(checked)
    command.report(checked, style=command.Format(chosen))
    if any(file.mistakes or (strict and file.problems) for file in checked):
        raise typer.Exit(pipelines.MISTAKES)


@app.command(epilog="`airflow-ml schema > pipeline.schema.json`")
def schema() -> None:
    """Print the JSON Schema of pipeline files, with all kinds that are installed, for completion in editors."""
    import json

    from airflow_ml_provider.cli.pipelines.files import fail
    from airflow_ml_provider.kind_registry import KindError
    from airflow_ml_provider.spec.kinds import stage_models
    from airflow_ml_provider.spec.schema import json_schema

    try:
        typer.echo(json.dumps(json_schema(stage_models()), indent=2))
    except KindError as error:
        fail(str(error))


@app.command(epilog="`airflow-ml render flights/ --env prod --explain`")
def render(
    *,
    pipeline: Pipeline = HERE,
    env: Environment = None,
    explain: Annotated[bool, typer.Option("--explain", help="Each value with the place that it comes from")] = False,
) -> None:
    """Print a pipeline with its environment, defaults and variables taken in."""
    from airflow_ml_provider.cli.pipelines.files import load_one
    from airflow_ml_provider.cli.pipelines.render import print_pipeline

    print_pipeline(load_one(pipeline, environment=env), explained=explain)


@app.command(epilog="`airflow-ml plan` · `airflow-ml plan flights/ --json`")
def plan(
    *,
    pipeline: Pipeline = HERE,
    env: Environment = None,
    param: Annotated[
        list[str] | None, typer.Option(help="NAME=VALUE of the pipeline's params, STAGE.NAME=VALUE of a stage's")
    ] = None,
    airflow: Annotated[
        bool, typer.Option("--airflow", help="What Airflow would reuse from its store, not a run on this machine")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON")] = False,
) -> None:
    """Say what a run would do, stage by stage: what is reused from which run, what runs and why."""
    from airflow_ml_provider.cli.pipelines.files import load_one
    from airflow_ml_provider.cli.pipelines.params import patch_of
    from airflow_ml_provider.cli.pipelines.plan import print_plan

    loaded = load_one(pipeline, environment=env, patch=patch_of(param or []))
    print_plan(loaded, as_json=as_json, in_airflow=airflow)


@app.command(epilog="`airflow-ml run` · `airflow-ml run flights/ --from train --param train.depth=4`")
def run(
    *,
    pipeline: Pipeline = HERE,
    env: Environment = None,
    stage: Annotated[list[str] | None, typer.Option(help="Run only this stage, on what the last run left")] = None,
    begin: Annotated[str | None, typer.Option("--from", help="Run this stage and all that follows it")] = None,
    param: Annotated[
        list[str] | None, typer.Option(help="NAME=VALUE of the pipeline's params, STAGE.NAME=VALUE of a stage's")
    ] = None,
    no_reuse: Annotated[bool, typer.Option("--no-reuse", help="Take no result of an earlier run")] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the last run: from the stage that failed, and its checkpoint")
    ] = False,
    parallel: Annotated[int, typer.Option(min=1, help="How many stages run at once")] = 4,
    yes: Annotated[bool, typer.Option("--yes", help="Answer what approve stages ask with yes")] = False,
    reject: Annotated[list[str] | None, typer.Option(help="Answer what this approve stage asks with no")] = None,
    airflow: Annotated[
        bool, typer.Option("--airflow", help="In an Airflow of its own (dag.test()), which takes longer to start")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The outcome as JSON; progress goes to stderr")] = False,
) -> None:
    """Run a pipeline on this machine, without a scheduler. What it makes lies in .airflow-ml/."""
    from airflow_ml_provider.cli.pipelines.files import fail, one_file
    from airflow_ml_provider.cli.pipelines.params import patch_of
    from airflow_ml_provider.cli.pipelines.run import run as run_here
    from airflow_ml_provider.local.events import FOLDER, LocalRunRequest

    if airflow and (resume or yes or reject):
        fail("--resume, --yes and --reject are for runs without --airflow")
    request = LocalRunRequest(
        file=str(one_file(pipeline).absolute()),
        home=str(Path.cwd() / FOLDER),
        environment=env,
        patch=patch_of(param or []),
        stages=stage or [],
        begin=begin,
        resume=resume,
        reuse=not no_reuse,
        approved=yes,
        rejected=reject or [],
        parallel=parallel,
    )
    raise typer.Exit(run_here(request, in_airflow=airflow, as_json=as_json))


app.add_typer(cache_commands.app, name="cache")
app.add_typer(data_commands.app, name="data")
app.add_typer(endpoint_commands.app, name="endpoint")
app.add_typer(model_commands.app, name="model")


@app.command(epilog="`airflow-ml graph` · `airflow-ml graph flights/ --format svg > flights.svg`")
def graph(
    *,
    pipeline: Pipeline = HERE,
    env: Environment = None,
    style: Annotated[str, typer.Option("--format", help="mermaid or svg")] = "mermaid",
) -> None:
    """Draw a pipeline's stages and what flows between them."""
    from airflow_ml_provider.cli.pipelines import graph as command
    from airflow_ml_provider.cli.pipelines.files import fail, load_one

    if style not in list(command.Picture):
        fail(f"--format {style!r}: allowed are {', '.join(command.Picture)}")
    spec = load_one(pipeline, environment=env).spec
    typer.echo(command.svg(spec) if style == command.Picture.SVG else command.mermaid(spec), nl=False)


@app.command(epilog="`airflow-ml manifests --namespace ml | kubectl apply -f -`")
def manifests(
    namespace: Annotated[str, typer.Option(help="Where stages run")],
    *,
    account: Annotated[
        list[str], typer.Option(help="ServiceAccount of the scheduler, of workers, of triggerers: NAME, NAMESPACE/NAME")
    ] = ["airflow"],  # noqa: B006 - typer copies it
    account_namespace: Annotated[str, typer.Option(help="Of accounts that name none; default: --namespace")] = "",
    stages: Annotated[bool, typer.Option("--stages", help="Rights for stages as pods: always granted")] = True,
    serving: Annotated[bool, typer.Option("--serving", help="Rights for endpoints as Deployments too")] = False,
    kserve: Annotated[bool, typer.Option("--kserve", help="Rights for endpoints on KServe too")] = False,
    pods: Annotated[int | None, typer.Option(min=1, help="How many pods the namespace may hold")] = None,
    caller: Annotated[list[str], typer.Option(help="Another namespace that may ask endpoints")] = [],  # noqa: B006
    scraper: Annotated[list[str], typer.Option(help="Another namespace that may read their counters")] = [],  # noqa: B006
    mlflow: Annotated[str, typer.Option(help="NAMESPACE:PORT or CIDR:PORT; with it, pods reach nothing else")] = "",
    store: Annotated[str, typer.Option(help="NAMESPACE:PORT or CIDR:PORT; with it, pods reach nothing else")] = "",
) -> None:
    """Print what Airflow needs in a namespace: kubectl apply -f - takes it."""
    from airflow_ml_provider.cli.admin.manifests import manifests as manifests_of
    from airflow_ml_provider.cli.pipelines.files import fail

    asked = {"stages": stages, "serving": serving, "kserve": kserve}
    try:
        printed = manifests_of(
            namespace,
            accounts=account,
            account_namespace=account_namespace,
            uses=[use for use, wanted in asked.items() if wanted],
            pods=pods,
            callers=caller,
            scrapers=scraper,
            mlflow=mlflow,
            store=store,
        )
    except ValueError as error:
        fail(str(error))
    typer.echo(printed)


@app.command(epilog="`airflow-ml reap --dry-run`")
def reap(
    *,
    namespace: Annotated[str | None, typer.Option(help="Where stages run; default: [ml] namespace")] = None,
    connection: Annotated[str, typer.Option(help="Airflow connection of type kubernetes")] = "kubernetes_default",
    mlflow_connection: Annotated[str, typer.Option(help="Airflow connection of type mlflow")] = "mlflow_default",
    no_mlflow: Annotated[bool, typer.Option("--no-mlflow", help="Leave MLflow runs alone")] = False,
    older_than: Annotated[int, typer.Option(min=0, help="Leave alone what is younger, in minutes")] = 10,
    unknown_runs: Annotated[
        bool, typer.Option("--unknown-runs", help="Also what belongs to runs that this Airflow does not know")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be removed, remove nothing")] = False,
) -> None:
    """Remove the pods and close the MLflow runs that tasks left behind; runs where Airflow's database is reached."""
    import os
    from datetime import timedelta

    # Connections come from the database too, as in Airflow's own commands; workers may not look there.
    os.environ.setdefault("_AIRFLOW_PROCESS_CONTEXT", "server")
    from airflow_ml_provider.cli.admin import reap as reaping
    from airflow_ml_provider.cli.pipelines.files import fail
    from airflow_ml_provider.errors import StageConfigurationError

    try:
        reaping.reap(
            namespace=namespace,
            connection=connection,
            mlflow_connection=None if no_mlflow else mlflow_connection,
            older_than=timedelta(minutes=older_than),
            unknown_runs=unknown_runs,
            dry_run=dry_run,
        )
    except StageConfigurationError as error:
        fail(str(error))


@app.command(epilog="`airflow-ml doctor` · `airflow-ml doctor --namespace ml`")
def doctor(
    *,
    namespace: Annotated[str | None, typer.Option(help="Where stages run; default: [ml] namespace")] = None,
    connection: Annotated[str, typer.Option(help="Airflow connection of type kubernetes")] = "kubernetes_default",
    mlflow_connection: Annotated[str, typer.Option(help="Airflow connection of type mlflow")] = "mlflow_default",
) -> None:
    """See whether all that stages need answers from here: store, MLflow, cluster, rights, image."""
    import os

    # Connections come from the database too, as in Airflow's own commands; what libraries log on the way is not a line.
    os.environ.setdefault("_AIRFLOW_PROCESS_CONTEXT", "server")
    os.environ.setdefault("AIRFLOW__LOGGING__LOGGING_LEVEL", "CRITICAL")
    from airflow_ml_provider.cli.admin.doctor import doctor as examine

    if not examine(namespace=namespace, connection=connection, mlflow_connection=mlflow_connection):
        raise typer.Exit(1)


@app.command(name="import", epilog="`airflow-ml import dag_factory.yml --folder dags/` · `airflow-ml import kfp.yaml`")
def import_(
    *,
    file: Annotated[Path, typer.Argument(help="A dag-factory YAML, or a compiled Kubeflow pipeline")],
    folder: Annotated[Path, typer.Option(help="Where to write what comes out")] = HERE,
) -> None:
    """Turn a dag-factory YAML or a Kubeflow pipeline into pipelines of ours, as far as it goes."""
    from airflow_ml_provider.cli.importers.imports import import_file

    import_file(file, folder)
