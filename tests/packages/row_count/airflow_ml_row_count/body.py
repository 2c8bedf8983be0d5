"""What happens in the stage: the standard library and the runtime, nothing else."""

import json

from airflow_ml_provider.runtime.body import BodyContext, BodyOutcome
from airflow_ml_provider.runtime.errors import BadDataError


def run(context: BodyContext) -> BodyOutcome:
    counts = {
        path.name: len(path.read_text().splitlines()) - 1 for path in sorted(context.inputs["data"].rglob("*.csv"))
    }
    rows, wanted = sum(counts.values()), context.request.options["at_least"]
    if rows < wanted:
        raise BadDataError(f"row_count: {rows} rows, at least {wanted} are wanted; is the data complete?")
    context.outputs["counts"].write_text(json.dumps(counts))
    return BodyOutcome(metrics={"rows": float(rows)})
