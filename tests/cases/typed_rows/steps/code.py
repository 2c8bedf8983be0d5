import json
from pathlib import Path


def train(model: Path) -> None:
    import mlflow
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema

    class Hours(mlflow.pyfunc.PythonModel):
        def predict(self, context, model_input, params=None):
            return ((model_input["timestamp"] - 1_700_000_000) / 3600.0).tolist()

    signature = ModelSignature(
        inputs=Schema([ColSpec(DataType.long, "timestamp")]), outputs=Schema([ColSpec("double")])
    )
    mlflow.pyfunc.save_model(str(model), python_model=Hours(), signature=signature)


def rows(jsonl: Path, csv: Path, later: Path) -> None:
    made = [
        {
            "timestamp": 1_700_000_000 + 3600 * n,
            "customer": f"{n:05d}",
            "start_time": f"{n % 24:02d}:30",
            "bin": f"{n % 4}_{n % 3}",
        }
        for n in range(500)
    ]
    for folder in (jsonl, csv, later):
        folder.mkdir()
    (jsonl / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in made))
    (csv / "rows.csv").write_text(
        "\n".join([",".join(made[0]), *(",".join(map(str, row.values())) for row in made)]) + "\n"
    )
    (later / "rows.csv").write_text("a\n1\n")


def show(a: Path, b: Path, report: Path, out: Path) -> None:
    for name, folder in (("jsonl", a), ("csv", b)):
        for file in sorted(folder.rglob("*.jsonl")):
            print("FROM", name, file.read_text().splitlines()[1])
    print("DRIFT", (report / "drift.json").read_text())
    out.write_text("x")
