"""The folder of local runs."""

from __future__ import annotations

from pathlib import Path

# Each is a pattern of both syntaxes that Airflow knows, glob and regexp.
_IGNORED = "dags\nartifacts\nairflow\nwork-\n"


def prepared_home(folder: str) -> Path:
    """Create the folder where it is missing, and return it.

    Where it lies in Airflow's own DAGs folder, Airflow loads none of its files.
    """
    home = Path(folder)
    home.mkdir(parents=True, exist_ok=True)
    ignored = home / ".airflowignore"
    if not ignored.is_file():
        ignored.write_text(_IGNORED)
    return home
