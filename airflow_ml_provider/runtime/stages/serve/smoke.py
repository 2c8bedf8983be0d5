"""Real requests to new servers, before anybody else's reach them."""

from __future__ import annotations

from airflow_ml_provider.runtime.body import BodyContext, BodyOutcome
from airflow_ml_provider.runtime.stages.serve.asking import ask, fault
from airflow_ml_provider.runtime.stages.serve.example import ANSWER, REQUEST

_TIMEOUT_SECONDS = 60.0


def smoke(context: BodyContext) -> BodyOutcome:
    """Ask every server once, and compare with what the model itself answers."""
    folder, options = context.inputs["smoke"], context.request.options
    body, expected = (folder / REQUEST).read_text(encoding="utf-8"), (folder / ANSWER).read_text(encoding="utf-8")
    faults = []
    for endpoint in options["endpoints"]:
        answer = ask(endpoint, options["path"], body=body, timeout=_TIMEOUT_SECONDS)
        wrong = fault(answer, expected)
        finding = wrong or "the answer is the model's own"
        print(f"{endpoint}{options['path']}: {finding}, {answer.seconds:.3f} s", flush=True)
        if wrong:
            faults.append(f"{endpoint}{options['path']}: {wrong}")
    return BodyOutcome(values={"faults": faults})
