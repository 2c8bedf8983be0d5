"""Stages as decorated functions, one of them mapped, in a DAG written by hand."""

from pathlib import Path

from airflow.sdk import dag, task


@task.ml_stage(kind="ingest")
def make(data: Path, *, rows: int = 3) -> dict[str, float]:
    # A comment travels too: "#" in it is text.
    data.write_text("#\n" * rows)
    return {"rows": rows}


@task.ml_stage(kind="train", outputs={"model": "model"})
def train(data: Path, model: Path, *, factor: int = 1, names: list[str] | None = None) -> dict[str, float]:
    product = data.read_text().count("#") * factor
    model.write_text(str(product))
    return {"product": product, "names": len(names or [])}


@task.ml_stage(kind="evaluate", gate={"number": "> 5"}, on_failure="warn")
def evaluate(model: Path) -> dict[str, float]:
    return {"number": float(model.read_text())}


@dag(schedule=None)
def decorated():
    made = make(rows=4)
    fitted = train(made["data"], factor=2, names=["a", "b"])
    evaluate(fitted["model"])
    train.override(task_id="mapped").partial(data=made["data"]).expand(factor=[3, 4])


decorated()
