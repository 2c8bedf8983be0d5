"""The page that is shipped is the one that its sources make, and they pass their own checks."""

import gzip
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
WWW = Path("airflow_ml_provider", "plugin", "www")
MADE = ("openapi.json", "src/answers.ts", "dist/licenses.md", "dist/ml.umd.js")
LIMIT_BYTES = 350_000


def test_make_page(tmp_path):
    left_out = shutil.ignore_patterns("node_modules", "dist")
    shutil.copytree(ROOT / WWW, tmp_path / WWW, ignore=left_out)
    for name in MADE[:2]:
        (tmp_path / WWW / name).unlink()
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / ".venv").symlink_to(Path(sys.executable).parents[1])
    done = subprocess.run(
        ["make", "--old-file=env", "page"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout[-5000:]}\n{done.stderr[-5000:]}"
    for name in MADE:
        assert (tmp_path / WWW / name).read_bytes() == (ROOT / WWW / name).read_bytes(), f"{name}: commit what it makes"
    made = {path.name for path in (tmp_path / WWW / "dist").iterdir()}
    assert made == {"licenses.md", "ml.umd.js"}, "the host imports one file"
    assert len(gzip.compress((ROOT / WWW / "dist" / "ml.umd.js").read_bytes())) < LIMIT_BYTES
