"""The mistakes that docs/reference/errors.md shows: what is written, and what its author is told."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from airflow_ml_provider.spec.checks.problems import SpecError
from airflow_ml_provider.spec.documents.load import load

NAME = "demo.yaml"
GOOD = """\
pipeline: demo
code: ./steps
stages:
  ingest:
    kind: ingest
    uri: data/*.csv
  check:
    kind: validate
    inputs: {data: ingest.data}
    suite: suite.json
  train:
    kind: train
    run: steps.stages:train
    inputs: {train: check.data}
    params: {depth: 4}
  evaluate:
    kind: evaluate
    run: steps.stages:evaluate
    inputs: {model: train.model}
    gate: {rmse: "< 20"}
  register:
    kind: register
    model: train.model
    name: demo
    needs: [evaluate]
"""
CODE = """\
def train(train, model, depth=6): ...


def evaluate(model):
    return {"rmse": 1.0, "mae": 2.0}


def evaluate_depth(*, depth):
    return {"rmse": 1.0, "mae": 2.0}
"""
TUNE = """\
  tune:
    kind: tune
    run: steps.stages:evaluate_depth
    search: {depth: {int: [2, 12]}}
    objective: {metric: rmse, direction: minimize}
"""
SUITE = {"name": "s", "expectations": [{"type": "expect_column_to_exist", "kwargs": {"column": "a"}}]}


@dataclass(frozen=True)
class Mistake:
    """One mistake in a pipeline that has no other.

    Attributes:
        title: What kind of mistake.
        old: What is replaced in GOOD; empty when ``new`` is the whole file.
        new: What stands there instead.
        in_schema: Whether an editor that has the JSON Schema shows it too.
        environment: The environment that is asked for.
        shown: What the page shows instead of a content that cannot be printed.
    """

    title: str
    old: str
    new: str | bytes
    in_schema: bool = False
    environment: str | None = None
    shown: str = ""

    @property
    def content(self) -> bytes:
        """The file."""
        if isinstance(self.new, bytes):
            return self.new
        return (GOOD.replace(self.old, self.new, 1) if self.old else self.new).encode()


TRAIN = "    kind: train\n"


SOURCE = """\
pipeline: demo
schedule: {data: raw}
sources:
  raw: {uri: data/*.csv, settle: 2m}"""


def of(source: str) -> str:
    """Return the beginning of a pipeline with such a source."""
    return SOURCE.replace("uri: data/*.csv, settle: 2m", source)


def beside_train(line: str) -> str:
    """Return the beginning of stage train with a line more."""
    return f"{TRAIN}    {line}\n"


GATE = '    gate: {rmse: "< 20"}\n'


APPROVED = "    needs: [evaluate]\n"
APPROVE = "  approve: {kind: approve, model: train.model}\n"


def served(more: str) -> str:
    """Return a stage of kind serve with one key more, behind the stage before it."""
    return f"{APPROVED}  serve: {{kind: serve, model: register.model, {more}}}\n"


def tuned(old: str, new: str) -> tuple[str, str]:
    """Return what is replaced to bring a stage of kind tune in, with a mistake."""
    assert old in TUNE
    return "  evaluate:\n", f"{TUNE.replace(old, new)}  evaluate:\n"


def judged(rules: str, *, more: str = "") -> str:
    """Return another gate of stage evaluate, with keys beside it."""
    return f"    gate: {{{rules}}}\n" + (f"    {more}\n" if more else "")


SECTIONS: dict[str, list[Mistake]] = {
    "Keys": [
        Mistake("a misspelt key of the pipeline", "pipeline: demo", "pipelin: demo", in_schema=True),
        Mistake("a misspelt key of a stage", "    suite:", "    suites:", in_schema=True),
        Mistake("a misspelt key of resources", TRAIN, beside_train("resources: {cpus: 2}"), in_schema=True),
        Mistake("a misspelt key of a pod", TRAIN, beside_train("pod: {namspace: ml}"), in_schema=True),
        Mistake("a key of another kind", TRAIN, beside_train("suite: suite.json"), in_schema=True),
        Mistake("a missing key", "    suite: suite.json\n", "", in_schema=True),
        Mistake("no stages", "", "pipeline: demo\n", in_schema=True),
        Mistake("an empty list of stages", "", "pipeline: demo\nstages: {}\n", in_schema=True),
        Mistake("a key written twice", TRAIN, beside_train("kind: train")),
        Mistake("a name that does not fit the file", "pipeline: demo", "pipeline: other"),
        Mistake("a name that no DAG may have", "pipeline: demo", "pipeline: de mo", in_schema=True),
    ],
    "Sources": [
        Mistake(
            "a schedule by a source that does not exist", "pipeline: demo", SOURCE.replace("data: raw", "data: row")
        ),
        Mistake("a source that nobody reads", "pipeline: demo", SOURCE),
        Mistake("a misspelt key of a source", "pipeline: demo", SOURCE.replace("settle", "settel"), in_schema=True),
        Mistake("a source without a URI", "pipeline: demo", SOURCE.replace("uri: data/*.csv, ", ""), in_schema=True),
        Mistake("a misspelt key of a schedule", "pipeline: demo", SOURCE.replace("{data:", "{date:"), in_schema=True),
        Mistake("a template in a source", "pipeline: demo", SOURCE.replace("data/*.csv", '"{{ params.x }}/*.csv"')),
        Mistake("a pattern that is none", "pipeline: demo", SOURCE.replace("data/*.csv", "data/**.csv")),
        Mistake("two sources", "pipeline: demo", f"{SOURCE}\n  more: {{uri: more/*.csv}}"),
        Mistake("sources that are no mapping", "pipeline: demo", "pipeline: demo\nsources: [raw]", in_schema=True),
        Mistake("a source of two kinds", "pipeline: demo", SOURCE.replace("settle: 2m", "asset: raw"), in_schema=True),
        Mistake("a key of another kind of source", "pipeline: demo", SOURCE.replace("settle: 2m", "connection: db")),
        Mistake("rows without a watermark", "pipeline: demo", of("sql: SELECT 1, connection: db, key: id")),
        Mistake("no query", "pipeline: demo", of("sql: DROP TABLE x, connection: db, watermark: at, key: id")),
        Mistake("no column", "pipeline: demo", of("sql: SELECT 1, connection: db, watermark: at, key: a + b")),
        Mistake("no rule for settling", "pipeline: demo", SOURCE.replace("2m", "{marker: a, unchanged: 5s}")),
        Mistake("a partition of no placeholder", "pipeline: demo", of('uri: "{year}/*.csv", partition: "{yaer}"')),
        Mistake("an asset's partition", "pipeline: demo", of("asset: lake, partition: day")),
        Mistake(
            "partitions that are all the same",
            "pipeline: demo",
            'pipeline: demo\nschedule: {cron: "@daily", partition: day}',
        ),
        Mistake(
            "partitions of no time", "pipeline: demo", 'pipeline: demo\nschedule: {cron: "@once", partition: "%Y"}'
        ),
        Mistake(
            "no time zone",
            "pipeline: demo",
            'pipeline: demo\nschedule: {cron: "@daily", partition: "%Y-%m-%d", timezone: Mars}',
        ),
    ],
    "Cache": [
        Mistake("a cache that is no yes or no", TRAIN, beside_train("cache: always"), in_schema=True),
        Mistake("a misspelt key of the cache", TRAIN, beside_train("cache: {tll: 7d}"), in_schema=True),
        Mistake("an age without a unit", TRAIN, beside_train("cache: {ttl: 7}"), in_schema=True),
        Mistake("something to ignore that is nothing", TRAIN, beside_train("cache: {ignore: [parms]}"), in_schema=True),
        Mistake("an ignored param that the stage lacks", TRAIN, beside_train("cache: {ignore: [params.sed]}")),
        Mistake(
            "a param with the name of the switch",
            "pipeline: demo",
            "pipeline: demo\ncache: true\nparams: {reuse: false}",
        ),
    ],
    "Kinds": [
        Mistake("a misspelt kind", "kind: train", "kind: trian", in_schema=True),
        Mistake("no kind", TRAIN, "", in_schema=True),
        Mistake("a kind that is no text", "kind: train", "kind: [train]", in_schema=True),
        Mistake(
            "a stage that is no mapping",
            "  register:\n    kind: register\n",
            "  register: 3\n  r:\n    kind: register\n",
            in_schema=True,
        ),
    ],
    "References": [
        Mistake("a stage that does not exist", "check.data}", "chek.data}"),
        Mistake("an output that does not exist", "check.data}", "check.date}"),
        Mistake("a reference without an output", "check.data}", "check}", in_schema=True),
        Mistake("a report where a model is wanted", "    model: train.model", "    model: check.report"),
        Mistake("a model where a dataset is wanted", "{data: ingest.data}", "{data: train.model}"),
        Mistake("a source that does not exist", "check.data}", "sources.flights}"),
        Mistake("a needed stage that does not exist", "needs: [evaluate]", "needs: [evaluat]"),
        Mistake("stages that wait for each other", "uri: data/*.csv", "uri: x\n    needs: [train]"),
        Mistake("a stage that waits for itself", "uri: data/*.csv", "uri: x\n    needs: [ingest]"),
        Mistake("an output that nobody uses", "  check:", "  more: {kind: ingest, uri: x}\n  check:"),
        Mistake(
            "a branch to a stage that does not exist",
            "    suite: suite.json",
            "    suite: suite.json\n    on_failure: branch\n    if_failed: [alert]",
        ),
        Mistake(
            "a branch to a stage that does not follow",
            '    gate: {rmse: "< 20"}',
            '    gate: {rmse: "< 20"}\n    on_failure: branch\n    if_failed: [ingest]',
        ),
        Mistake("a reserved stage name", "  ingest:\n", "  finish: {kind: container, command: [x]}\n  ingest:\n"),
        Mistake("a reserved output name", TRAIN, beside_train("outputs: {metrics: file}")),
    ],
    "Code": [
        Mistake("a code folder that does not exist", "code: ./steps", "code: ./step"),
        Mistake("a module that does not exist", "steps.stages:train", "steps.stage:train"),
        Mistake("a function that does not exist", "steps.stages:train", "steps.stages:trian"),
        Mistake("an entry point without a function", "run: steps.stages:train", "run: train", in_schema=True),
        Mistake("neither function nor command", "    run: steps.stages:train\n", ""),
        Mistake("function and command", TRAIN, beside_train("command: [x]")),
        Mistake("a param that the function does not take", "{depth: 4}", "{dept: 4}"),
        Mistake("an input that the function does not take", "{train: check.data}", "{training: check.data}"),
        Mistake("an argument that gets no value", "    inputs: {model: train.model}\n", ""),
        Mistake("a name used for input and param", "{depth: 4}", "{train: 4}"),
        Mistake("a param that is no name", "{depth: 4}", "{1x: 4}", in_schema=True),
        Mistake("an artifact type that does not exist", TRAIN, beside_train("outputs: {model: modle}"), in_schema=True),
        Mistake("a module without its folder", "run: steps.stages:train", "run: stages:train"),
        Mistake(
            "a folder that is called like a module of Python",
            "    run: steps.stages:train\n",
            "    run: email.stages:train\n    code: ./email\n",
        ),
        Mistake("a command that is text", "run: steps.stages:train", "command: python train.py", in_schema=True),
        Mistake("checkpoints of a staged stage", TRAIN, beside_train("io: staged\n    checkpoints: 5m")),
    ],
    "Gates and suites": [
        Mistake("a gate that is no comparison", '"< 20"', '"20"', in_schema=True),
        Mistake("a gate on a metric that is not returned", "{rmse:", "{rsme:"),
        Mistake("a gate against a metric that is not returned", '"< 20"', '"< baseline"'),
        Mistake("a suite that does not exist", "suite: suite.json", "suite: nope.json"),
        Mistake("a suite that is no JSON", "suite: suite.json", "suite: steps/stages.py"),
        Mistake(
            "a failing check without a branch", "    suite: suite.json", "    suite: suite.json\n    if_failed: [train]"
        ),
        Mistake("warn without a gate", '    gate: {rmse: "< 20"}', "    on_failure: warn"),
        Mistake("a registration without MLflow", "code: ./steps", "code: ./steps\ntracking: false"),
    ],
    "Tuning": [
        Mistake("low more than high", *tuned("[2, 12]", "[12, 2]")),
        Mistake("a range without bounds", *tuned("{int: [2, 12]}", "{int: 12}"), in_schema=True),
        Mistake("a range of no kind", *tuned("{int: [2, 12]}", "{integer: [2, 12]}"), in_schema=True),
        Mistake("half a number for a whole one", *tuned("[2, 12]", "[2, 12.5]"), in_schema=True),
        Mistake("the logarithm of nothing", *tuned("{int: [2, 12]}", "{int: [0, 12], log: true}")),
        Mistake("a step of a logarithm", *tuned("[2, 12]}", "[2, 12], log: true, step: 2}")),
        Mistake("a choice of no values", *tuned("{int: [2, 12]}", "{categorical: []}"), in_schema=True),
        Mistake("a condition on a param that is not searched", *tuned("[2, 12]}", "[2, 12], when: {kind: tree}}")),
        Mistake("a param that is searched and fixed", *tuned("    search:", "    params: {depth: 3}\n    search:")),
        Mistake("a searched param that the function does not take", *tuned("{depth: {", "{dept: {")),
        Mistake("an objective without a direction", *tuned(", direction: minimize", ""), in_schema=True),
        Mistake("an objective that is not returned", *tuned("metric: rmse", "metric: rsme")),
        Mistake(
            "a sampler that is a list", *tuned("    search:", "    sampler: [TPESampler]\n    search:"), in_schema=True
        ),
        Mistake(
            "a pruner for two objectives",
            *tuned(
                "{metric: rmse, direction: minimize}",
                "[{metric: rmse, direction: minimize}, {metric: mae, direction: minimize}]\n    pruner: MedianPruner",
            ),
        ),
        Mistake("params of a stage that found none", "{depth: 4}", "ingest.best_params"),
        Mistake("params that are a number", "{depth: 4}", "4", in_schema=True),
        Mistake("a list of params with something else in it", "{depth: 4}", "[{depth: 4}, 7]", in_schema=True),
    ],
    "Champions": [
        Mistake("a tolerance that is none", GATE, judged("champion: {rmse: 1% worse}"), in_schema=True),
        Mistake("a metric of which nobody knows what is better", GATE, judged("champion: {wins: not worse}")),
        Mistake("a champion of no model", GOOD[GOOD.index(GATE) :], judged("champion: {rmse: not worse}")),
        Mistake("slices without predictions", GATE, judged('rmse: "< 20"', more="by: [carrier]")),
        Mistake("the worst slice of none", GATE, judged('worst_slice: {rmse: "< 20"}', more="task: regression")),
        Mistake(
            "confidence in nothing",
            GATE,
            judged('rmse: "< 20"', more="task: regression\n    confidence: 0.9"),
        ),
        Mistake("an approval of what is not registered", APPROVED, f"{APPROVED}{APPROVE}"),
        Mistake(
            "an endpoint of what is not registered",
            APPROVED,
            f"{APPROVED}  serve: {{kind: serve, model: train.model}}\n",
        ),
        Mistake(
            "an endpoint that does not wait for a person",
            APPROVED,
            f"{served('replicas: 2')}{APPROVE.replace('train', 'register')}",
        ),
        Mistake(
            "predictions of no model", APPROVED, f"{APPROVED}  predict: {{kind: batch_predict, data: ingest.data}}\n"
        ),
        Mistake(
            "drift of no stage",
            "code: ./steps",
            "code: ./steps\nschedule: {drift: flights_watch}",
            in_schema=True,
        ),
        Mistake("a canary that does not rise", APPROVED, served("canary: [50, 10]")),
        Mistake("a guard without a comparison", APPROVED, served("guard: {error_rate: 0.01}"), in_schema=True),
        Mistake("a command where a server is meant", APPROVED, served("command: [python, server.py]")),
        Mistake("a registered model where a file is wanted", "{model: train.model}", "{model: register.model}"),
        Mistake("a task that does not exist", GATE, judged('rmse: "< 20"', more="task: regresion"), in_schema=True),
    ],
    "Values": [
        Mistake("a number that is text", TRAIN, beside_train("retries: many"), in_schema=True),
        Mistake("a negative number", TRAIN, beside_train("retries: -1"), in_schema=True),
        Mistake("a duration without a unit", TRAIN, beside_train("timeout: 90"), in_schema=True),
        Mistake("a duration with an unknown unit", TRAIN, beside_train("timeout: 3 weeks"), in_schema=True),
        Mistake("a choice that does not exist", TRAIN, beside_train("runner: kubernets"), in_schema=True),
        Mistake("no Kubernetes quantity", TRAIN, beside_train("resources: {memory: lots}"), in_schema=True),
        Mistake("max_memory less than memory", TRAIN, beside_train("resources: {memory: 8Gi, max_memory: 4Gi}")),
        Mistake("half a GPU", TRAIN, beside_train("resources: {gpu: 0.5}"), in_schema=True),
        Mistake("a quantity of nothing", TRAIN, beside_train("resources: {cpu: 0}"), in_schema=True),
        Mistake(
            "no image name",
            TRAIN,
            beside_train("image: My Image"),
        ),
        Mistake("no cron expression", "code: ./steps", 'code: ./steps\nschedule: "61 * * * *"'),
        Mistake("a misspelt preset", "code: ./steps", 'code: ./steps\nschedule: "@dayly"'),
        Mistake("no date", "code: ./steps", "code: ./steps\nstart_date: 2024-02-30"),
        Mistake("a date in a param", "{depth: 4}", "{depth: 2024-01-01}"),
        Mistake("a param of a template that the pipeline does not have", "data/*.csv", '"{{ params.dta }}"'),
        Mistake("a template that is not closed", "data/*.csv", '"{{ ds "'),
        Mistake("a number that JSON does not know", "{depth: 4}", "{depth: .nan}"),
        Mistake("a store that is no URI", "code: ./steps", "code: ./steps\nstore: ./here", in_schema=True),
        Mistake("a bucket that no store accepts", "code: ./steps", "code: ./steps\nstore: s3://ml/here"),
        Mistake(
            "a volume of two sources", TRAIN, beside_train("pod: {volumes: {v: {path: /d, claim: c, empty: 1Gi}}}")
        ),
        Mistake(
            "a volume at a relative path",
            TRAIN,
            beside_train("pod: {volumes: {v: {path: d, claim: c}}}"),
            in_schema=True,
        ),
        Mistake("a variable of ours", TRAIN, beside_train("pod: {env: {AIRFLOW_ML_X: y}}")),
        Mistake("a variable's value that is no text", TRAIN, beside_train("pod: {env: {THREADS: 2}}"), in_schema=True),
        Mistake("a pod template that does not exist", TRAIN, beside_train("pod: {template: pod.yaml}")),
    ],
    "YAML": [
        Mistake("a tab", TRAIN, f"{TRAIN}\tretries: 1\n"),
        Mistake("wrong indentation", "    run: steps.stages:train", "   run: steps.stages:train"),
        Mistake("an open bracket", "kind: train", "kind: [train"),
        Mistake("text with a colon", TRAIN, beside_train("doc: trains: the model")),
        Mistake("a template without quotes", TRAIN, beside_train("doc: {{ ds }}")),
        Mistake("a percent sign without quotes", TRAIN, beside_train("doc: %d models")),
        Mistake("no, on and the like", "{depth: 4}", "{depth: no}"),
        Mistake("a leading zero", "{depth: 4}", "{depth: 010}"),
        Mistake("an exponent", "{depth: 4}", "{depth: 1e3}"),
        Mistake("a number with underscores", "{depth: 4}", "{depth: 1_000}"),
        Mistake("a time of day", "{depth: 4}", "{depth: 12:30:45}"),
        Mistake("a tag", "kind: train", "kind: !!python/name:os.system train"),
        Mistake("a tag on a key", "    kind: train", "    !x kind: train"),
        Mistake("an unknown alias", "kind: train", "kind: *train"),
        Mistake("a key that is no text", TRAIN, f"{TRAIN}    ? [a]\n    : 1\n"),
        Mistake("two documents", "", "pipeline: demo\n---\npipeline: demo\n"),
        Mistake("an empty file", "", ""),
        Mistake("a list", "", "- pipeline: demo\n"),
        Mistake(
            "a file that is not UTF-8",
            "",
            GOOD.replace("demo", "d\u00e9mo").encode("latin-1"),
            shown="`d\u00e9mo` in Latin-1",
        ),
        Mistake("a control character", "uri: data/*.csv", "uri: data/\x07.csv", shown="`uri: data/` and a bell"),
        Mistake("a file that is too large", "", b"a: " + b"x" * 1_100_000, shown="a file of 1.1 MB"),
        Mistake(
            "a bomb of aliases",
            "",
            b"a: &a [x]\n" + b"".join(b"%c: &%c [%s]\n" % (n + 1, n + 1, b"*%c," % n * 9) for n in range(97, 110)),
            shown="`b: [*a, *a, ...]`, thirteen times",
        ),
        Mistake("an alias that holds itself", "", b"a: &a {b: *a}"),
        Mistake("brackets that never end", "", b"[" * 5000, shown="5,000 times `[`"),
    ],
    "Environments, defaults, variables": [
        Mistake(
            "a default that no kind knows", "code: ./steps", "code: ./steps\ndefaults: {retrys: 2}", in_schema=False
        ),
        Mistake(
            "a wrong value among defaults", "code: ./steps", "code: ./steps\ndefaults: {retries: many}", in_schema=True
        ),
        Mistake("defaults that are no mapping", "code: ./steps", "code: ./steps\ndefaults: 3", in_schema=True),
        Mistake(
            "a wrong value of an environment",
            "code: ./steps",
            "code: ./steps\nenvironments: {prod: {runner: pods}}",
            environment="prod",
        ),
        Mistake(
            "an environment within an environment",
            "code: ./steps",
            "code: ./steps\nenvironments: {prod: {environments: {}}}",
            environment="prod",
        ),
        Mistake(
            "an environment that is no mapping",
            "code: ./steps",
            "code: ./steps\nenvironments: {prod: 3}",
            environment="prod",
            in_schema=True,
        ),
        Mistake(
            "a misspelt stage of an environment",
            "code: ./steps",
            "code: ./steps\nenvironments: {prod: {stages: {trian: {retries: 3}}}}",
            environment="prod",
        ),
        Mistake("a variable without its end", "data/*.csv", '"${env:DATA/*.csv"'),
        Mistake("a variable of Airflow's own", "data/*.csv", '"${env:AIRFLOW__CORE__FERNET_KEY}"'),
        Mistake("a variable that is not set", "data/*.csv", '"${env:NOWHERE}/*.csv"'),
        Mistake("a connection in the file", "data/*.csv", '"${conn:s3.host}/*.csv"'),
        Mistake("a variable of an unknown source", "data/*.csv", '"${vault:path}/*.csv"'),
    ],
}


def told(mistake: Mistake, folder: Path) -> str:
    """Return what the author of a mistake is told, file names without the folder; empty when it is nothing."""
    (folder / "steps").mkdir(exist_ok=True)
    (folder / "steps" / "stages.py").write_text(CODE)
    (folder / "email").mkdir(exist_ok=True)
    (folder / "suite.json").write_text(json.dumps(SUITE))
    (folder / NAME).write_bytes(mistake.content)
    try:
        warnings = load(folder / NAME, environment=mistake.environment, variables={}).warnings
    except SpecError as error:
        text = str(error)
    else:
        text = "\n".join(map(str, warnings))
    return text.replace(f"{folder}/", "")
