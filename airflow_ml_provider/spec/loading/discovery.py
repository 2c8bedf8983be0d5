"""Which files are pipelines, and which pipeline a file stands for."""

from __future__ import annotations

import os
import re
from pathlib import Path

from airflow_ml_provider.spec.checks.paths import is_file, is_folder

PIPELINE_STEM = "pipeline"
PIPELINE_FILE = f"{PIPELINE_STEM}.yaml"
SUFFIXES = (".yaml", ".yml")

_LOOK_BYTES = 1024 * 1024
_KEY = re.compile(rb"""^["']?(pipelin\w*|stages)["']?\s*:""", re.MULTILINE)
_NO_DAG_ID = re.compile(r"[^A-Za-z0-9_.\-]")


def pipeline_files(folder: Path) -> list[Path]:
    """Return the pipeline files of a folder, sorted: ``NAME.yaml`` in it, and ``NAME/pipeline.yaml`` one below.

    Other YAML files next to the pipelines, such as pod templates, are none of them: a pipeline has the key ``pipeline``
    or ``stages``, and a file that cannot be read is not passed over. ``NAME.ENVIRONMENT.yaml`` is listed too;
    ``base_of`` distinguishes it.
    """
    adjacent = (path for suffix in SUFFIXES for path in folder.glob(f"*{suffix}"))
    below = (path for suffix in SUFFIXES for path in folder.glob(f"*/{PIPELINE_STEM}{suffix}"))
    found = [path for path in adjacent if _is_shown(path) and (base_of(path) is not None or _speaks_of_stages(path))]
    return sorted([*found, *(path for path in below if _is_shown(path) and _is_shown(path.parent))])


def _is_shown(path: Path) -> bool:
    return not path.name.startswith(".") and (is_file(path) or is_folder(path))


def _speaks_of_stages(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            text = file.read(_LOOK_BYTES)
    except OSError:
        return True
    return not text.strip() or _KEY.search(text) is not None or len(text) == _LOOK_BYTES


def file_of(folder: Path, dag_id: str) -> list[Path]:
    """Return the files of a folder that stand for a DAG id, without a look at the others."""
    named = [folder / f"{dag_id}{suffix}" for suffix in SUFFIXES]
    named += [folder / dag_id / f"{PIPELINE_STEM}{suffix}" for suffix in SUFFIXES]
    return [path for path in named if is_file(path)] or [
        path for path in pipeline_files(folder) if dag_id_of(path) == dag_id
    ]


def pipeline_name(path: Path) -> str:
    """Return the name that a pipeline file stands for: its stem, or its folder's name for pipeline.yaml.

    A link stands for the name that it has itself, as the files of a mounted ConfigMap are links.
    """
    # pathlib makes ".." go away only together with links.
    folder = Path(os.path.abspath(path)).parent  # noqa: PTH100
    return folder.name if path.stem == PIPELINE_STEM else path.stem


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
    """Return the file of an environment next to a pipeline file (``pipeline.prod.yaml``), ``None`` without one."""
    adjacent = (path.with_name(f"{path.stem}.{environment}{suffix}") for suffix in SUFFIXES)
    return next((file for file in adjacent if file.is_file()), None)
