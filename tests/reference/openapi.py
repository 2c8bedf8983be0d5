"""Writes the OpenAPI document of the plugin's routes, of which the page's types are made: ``make page``."""

import json
import sys
from pathlib import Path

from airflow_ml_provider.plugin.routes import app

if __name__ == "__main__":
    Path(sys.argv[1]).write_text(f"{json.dumps(app.openapi(), indent=2, sort_keys=True)}\n", encoding="utf-8")
