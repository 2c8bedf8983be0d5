"""Options that commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

HERE = Path()
Pipeline = Annotated[Path, typer.Argument(help="A pipeline file, or a folder that holds one")]
Environment = Annotated[
    str | None, typer.Option("--env", help="Take this environment's changes", envvar="AIRFLOW__ML__ENVIRONMENT")
]
Store = Annotated[str | None, typer.Option("--store", help="URI of an artifact store")]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON")]
