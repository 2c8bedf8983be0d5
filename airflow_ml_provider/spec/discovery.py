"""Which files are pipelines, and which pipeline a file stands for."""

from __future__ import annotations

import re
from pathlib import Path

PIPELINE_FILE = "pipeline.yaml"
SUFFIXES = (".yaml", ".yml")

_NO_DAG_ID = re.compile(r"[^A-Za-z0-9_.\-]")


def pipeline_files(folder: Path) -> list[Path]:
    """Return the pipeline files of a folder, sorted: ``NAME.yaml`` in it, and ``NAME/pipeline.yaml`` one below.

    ``NAME.ENVIRONMENT.yaml`` holds an environment's changes of ``NAME.yaml`` and is no pipeline.
    """
    beside = (path for suffix in SUFFIXES for path in folder.glob(f"*{suffix}"))
    return sorted(
        path
        for path in (*beside, *folder.glob(f"*/{PIPELINE_FILE}"))
        if not path.name.startswith(".") and path.is_file()
    )


def file_of(folder: Path, dag_id: str) -> list[Path]:
    """Return the files of a folder that stand for a DAG id, without a look at the others."""
    named = (folder / f"{dag_id}.yaml", folder / f"{dag_id}.yml", folder / dag_id / PIPELINE_FILE)
    return [path for path in named if path.is_file()] or [
        path for path in pipeline_files(folder) if dag_id_of(path) == dag_id
    ]


def pipeline_name(path: Path) -> str:
    """Return the name that a pipeline file stands for: its stem, or its folder's name for pipeline.yaml."""
    return path.resolve().parent.name if path.name == PIPELINE_FILE else path.stem


def dag_id_of(path: Path) -> str:
    """Return the DAG id that a file stands for; characters that no DAG id may have become ``_``."""
    return _NO_DAG_ID.sub("_", pipeline_name(path))


def base_of(path: Path) -> Path | None:
    """Return the pipeline file whose changes for an environment a file holds, ``None`` for a pipeline.

    The part of the name before the first dot names the pipeline, whether its file is there or not.
    """
    name, dot, _ = path.stem.partition(".")
    return (
        next(
            (found for suffix in SUFFIXES if (found := path.with_name(name + suffix)).is_file()),
            path.with_name(f"{name}.yaml"),
        )
        if dot
        else None
    )


def overlay_of(path: Path, environment: str) -> Path | None:
    """Return the file of an environment beside a pipeline file (``pipeline.prod.yaml``), ``None`` without one."""
    beside = (path.with_name(f"{path.stem}.{environment}{suffix}") for suffix in SUFFIXES)
    return next((file for file in beside if file.is_file()), None)
