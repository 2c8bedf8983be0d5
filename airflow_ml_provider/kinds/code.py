"""The code that travels to a stage, as one archive."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path

from airflow_ml_provider.artifacts.code import pack_code, pack_files
from airflow_ml_provider.artifacts.errors import InvalidArtifactError
from airflow_ml_provider.errors import StageConfigurationError
from airflow_ml_provider.protocol.names import BODIES

_STAGES = Path(__file__).parent.parent / "runtime" / "stages"

BODIES_GROUP = "airflow_ml_provider.stage_bodies"
"""Entry points by which a package brings what its kind does in the stage: ``name = "package.body:run"``."""


def packed_folder(folder: Path) -> bytes:
    """Pack a code folder.

    Raises:
        StageConfigurationError: The folder cannot be packed.
    """
    try:
        return pack_code(folder)
    except InvalidArtifactError as error:
        raise StageConfigurationError(str(error)) from error


def body_target(body: str) -> str:
    """Return what a request calls a body: the name of a built-in one, or another package's ``module:function``.

    Raises:
        StageConfigurationError: No package brings it.
    """
    return body if body in BODIES else _entry_point(body).value


def packed_body(body: str) -> bytes | None:
    """Pack the package that brings a body, ``None`` for a built-in one, which travels by itself.

    Raises:
        StageConfigurationError: No package brings it, or it is no package of plain files.
    """
    if body in BODIES:
        return None
    package = _entry_point(body).module.partition(".")[0]
    spec = find_spec(package)
    folders = list(spec.submodule_search_locations or ()) if spec else []
    if not folders:
        raise StageConfigurationError(f"body {body!r}: {package!r} is no package that can be shipped to a stage")
    return packed_folder(Path(folders[0]))


def packed_built_in(body: str | None) -> bytes | None:
    """Pack a built-in body with the modules that bodies share, ``None`` for another's."""
    if body not in BODIES:
        return None
    shared = [*sorted((_STAGES / "dataset").glob("*.py")), *sorted(_STAGES.glob("[!_]*.py"))]
    files = [*sorted((_STAGES / body).glob("*.py")), *shared]
    return pack_files({path.relative_to(_STAGES).as_posix(): (path.read_bytes(), False) for path in files})


def _entry_point(body: str) -> EntryPoint:
    for found in entry_points(group=BODIES_GROUP, name=body):
        return found
    raise StageConfigurationError(f"no installed package brings the stage body {body!r} (entry point {BODIES_GROUP})")
