"""Writes docs/reference/pod-arguments.md: what becomes of each argument of KubernetesPodOperator in a stage."""

from importlib.metadata import version
from pathlib import Path

from airflow_ml_provider.runners.pod_arguments import ARGUMENTS, stock_defaults

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "pod-arguments.md"
_HEAD = """\
# Arguments of KubernetesPodOperator

Stage operators are subclasses of `KubernetesPodOperator`. Each of its arguments passes as it is, or a stage has its own
way with it, or it is refused when the DAG is made: then a value other than the default was passed to the stage itself.
In a DAG's `default_args` such a value is logged as a warning, since other tasks may want it. The local runner names in
its log the arguments that only a pod can honour.

Made by `make generated` from apache-airflow-providers-cncf-kubernetes {version}; a newer one with further arguments
makes a test fail.

| argument | in a stage | |
| --- | --- | --- |
"""


def page() -> str:
    """Return the page."""
    known = [(name, ARGUMENTS[name]) for name in stock_defaults() if name in ARGUMENTS]
    rows = [f"| `{name}` | {argument.way} | {argument.note} |" for name, argument in known]
    return _HEAD.format(version=version("apache-airflow-providers-cncf-kubernetes")) + "\n".join(rows) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
