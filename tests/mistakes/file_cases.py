"""Mistakes in a file of YAML, and in what is made of it: environments, defaults, variables."""

from __future__ import annotations

from tests.mistakes.mistake import GOOD, TRAIN, Mistake, beside_train

FILE_SECTIONS: dict[str, list[Mistake]] = {
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
        Mistake("a key that is not text", TRAIN, f"{TRAIN}    ? [a]\n    : 1\n"),
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
        Mistake("defaults that are not mapping", "code: ./steps", "code: ./steps\ndefaults: 3", in_schema=True),
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
            "an environment that is not a mapping",
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
        Mistake("a variable that is secret by its name", "data/*.csv", '"${env:DB_PASSWORD}"'),
        Mistake("a variable that is not set", "data/*.csv", '"${env:NOWHERE}/*.csv"'),
        Mistake("a connection in the file", "data/*.csv", '"${conn:s3.host}/*.csv"'),
        Mistake("a template that reads a secret", "depth: 4", 'depth: "{{ conn.warehouse.password }}"'),
        Mistake("a variable of an unknown source", "data/*.csv", '"${vault:path}/*.csv"'),
    ],
}
