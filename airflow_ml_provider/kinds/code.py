"""The code that travels to a stage, as one archive."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from airflow_ml_provider.artifacts.code_packing import pack_code, pack_files
from airflow_ml_provider.artifacts.errors import InvalidArtifactError
from airflow_ml_provider.errors import StageConfigurationError
from airflow_ml_provider.protocol.names import BODIES

_STAGES = Path(__file__).parent.parent / "runtime" / "stages"


def packed_folder(folder: Path) -> bytes:
    """Pack a code folder.

    Raises:
        StageConfigurationError: The folder cannot be packed.
    """
    try:
        return pack_code(folder)
    except InvalidArtifactError as error:
        raise StageConfigurationError(str(error)) from error


def packed_body(body: str) -> bytes | None:
    """Pack the package of a body, ``module:function``; ``None`` for a built-in one, which travels by itself.

    Raises:
        StageConfigurationError: It is not in a package of plain files.
    """
    if body in BODIES:
        return None
    package = body.partition(":")[0].partition(".")[0]
    spec = find_spec(package)
    folders = list(spec.submodule_search_locations or ()) if spec else []
    if not folders:
        raise StageConfigurationError(f"body {body!r}: {package!r} is not a package that can be shipped to a stage")
    return packed_folder(Path(folders[0]))


def packed_built_in(body: str | None) -> bytes | None:
    """Pack a built-in body with the modules that bodies share, ``None`` for another's."""
    if body not in BODIES:
        return None
    shared = [*sorted((_STAGES / "dataset").glob("*.py")), *sorted(_STAGES.glob("[!_]*.py"))]
    files = [*sorted((_STAGES / body).glob("*.py")), *shared]
    return pack_files({path.relative_to(_STAGES).as_posix(): (path.read_bytes(), False) for path in files})
