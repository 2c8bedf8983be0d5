"""What is installed is what was tested, file by file, and is listed."""

import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
UV = str(Path(sys.executable).parent / "uv")
PIN = re.compile(r"^([A-Za-z0-9._-]+==[^\s;\\]+)", re.MULTILINE)


def test_both_files_pin_the_same_and_each_pin_has_hashes():
    pins = PIN.findall((ROOT / "constraints.txt").read_text())
    hashed = (ROOT / "constraints-hashed.txt").read_text()
    blocks = re.split(r"\n(?=[A-Za-z0-9])", hashed)
    assert [PIN.match(block)[1] for block in blocks] == pins
    assert len(pins) > 200
    assert all(re.search(r"--hash=sha256:[0-9a-f]{64}", block) for block in blocks)
    assert "://" not in hashed


def test_another_file_than_the_one_that_was_tested_is_refused(tmp_path):
    pin = next(pin for pin in PIN.findall((ROOT / "constraints.txt").read_text()) if pin.startswith("six=="))
    forged = tmp_path / "constraints.txt"
    forged.write_text(f"{pin} --hash=sha256:{0:064}\n")
    command = [
        UV,
        "pip",
        "install",
        "--no-cache",
        "--target",
        str(tmp_path / "site"),
        "--constraints",
        str(forged),
        "six",
    ]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode != 0
    assert "Hash mismatch" in run.stderr, run.stderr
    assert "--constraints constraints-hashed.txt" in (ROOT / "scripts" / "bootstrap.sh").read_text()


def test_make_sbom():
    subprocess.run(["make", "sbom"], cwd=ROOT, check=True, capture_output=True, timeout=300)
    found = json.loads((ROOT / "dist" / "sbom.cdx.json").read_text())
    assert (found["bomFormat"], found["metadata"]["component"]["name"]) == ("CycloneDX", "airflow-ml-provider")
    parts = {part["name"]: part for part in found["components"]}
    assert {"apache-airflow-core", "mlflow", "kubernetes", "s3fs"} <= parts.keys()
    # What only tests need is not what users install.
    assert not {"pytest", "moto", "hypothesis", "ruff"} & parts.keys()
    assert parts["mlflow"]["purl"] == f"pkg:pypi/mlflow@{parts['mlflow']['version']}"
    assert str(ROOT) not in json.dumps(found)
