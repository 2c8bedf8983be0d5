"""What ``--param`` changes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from airflow_ml_provider.cli.pipelines.files import fail
from airflow_ml_provider.spec.documents.yaml_source import parse_yaml
from airflow_ml_provider.spec.problems import SpecError


def patch_of(params: Sequence[str]) -> dict[str, Any]:
    """Return what ``NAME=VALUE`` and ``STAGE.NAME=VALUE`` change, as a merge patch; values are read as YAML."""
    patch: dict[str, Any] = {}
    for given in params:
        name, equals, text = given.partition("=")
        if not equals or not name.strip():
            fail(f"--param {given!r}: write NAME=VALUE for a param of the pipeline, STAGE.NAME=VALUE for a stage's")
        try:
            value = parse_yaml(text, file=f"--param {name}").value
        except SpecError as error:
            fail(f"--param {given!r}: {error.problems[0].message}")
        if value is None or isinstance(value, dt.date):
            value = text if value is not None or text.strip() != "null" else None
        stage, dot, key = name.strip().partition(".")
        target = patch.setdefault("stages", {}).setdefault(stage, {}) if dot else patch
        target.setdefault("params", {})[key if dot else stage] = value
    return patch
