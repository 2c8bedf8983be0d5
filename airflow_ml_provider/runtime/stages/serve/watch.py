"""A step of a canary: the new servers next to the old ones, for a while."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from airflow_ml_provider.protocol.serving import metrics_port
from airflow_ml_provider.runtime.binding import bind
from airflow_ml_provider.runtime.body import BodyContext, BodyOutcome
from airflow_ml_provider.runtime.errors import ContractError
from airflow_ml_provider.runtime.function import call, load_function
from airflow_ml_provider.runtime.metrics import Metrics, as_metrics
from airflow_ml_provider.runtime.stages.serve.asking import ask, fault
from airflow_ml_provider.runtime.stages.serve.counters import Counters, summed
from airflow_ml_provider.runtime.stages.serve.example import ANSWER, REQUEST

_TIMEOUT_SECONDS = 30.0
_SCRAPE_SECONDS = 5.0
_OBSERVED = "observed"


def watch(context: BodyContext) -> BodyOutcome:
    """Send requests of our own, look at what the servers counted meanwhile, and ask the user's code.

    The requests go to every server in turn, new ones and old ones, so that there are some where nobody else sends any.

    Raises:
        ContractError: The user's code takes other arguments, or returns no metrics.
        UserCodeError: It raised.
    """
    options = context.request.options
    new, old = options["endpoints"], options["stable_endpoints"]
    before = {endpoint: _counted(endpoint) for endpoint in (*new, *old)}
    sent = _asked(context)
    metrics = {
        **_measured(new, before, sent),
        **{f"stable_{name}": value for name, value in _measured(old, before, None).items()},
    }
    metrics["percent"] = float(options["percent"])
    undefined: dict[str, Any] = {}
    if context.request.run is not None:
        judged = _judged(context, metrics)
        metrics |= judged.kept
        undefined = judged.values
    faults = [text for _, text in sent if text]
    print(f"{len(sent)} requests of our own, {len(faults)} with a wrong answer or none", flush=True)
    return BodyOutcome(metrics=metrics, values={**undefined, "faults": sorted(set(faults))[:5]})


def _asked(context: BodyContext) -> list[tuple[float, str]]:
    """Return how long each request took, and what was wrong with its answer."""
    folder, options = context.inputs["smoke"], context.request.options
    body, expected = (folder / REQUEST).read_text(encoding="utf-8"), (folder / ANSWER).read_text(encoding="utf-8")
    begun = time.monotonic()
    found: list[tuple[float, str]] = []
    pause = 1 / options["rate"]
    while not found or time.monotonic() - begun < options["seconds"]:
        endpoint = options["endpoints"][len(found) % len(options["endpoints"])]
        answer = ask(endpoint, options["path"], body=body, timeout=_TIMEOUT_SECONDS)
        wrong = fault(answer, expected)
        found.append((answer.seconds, f"{endpoint}{options['path']}: {wrong}" if wrong else ""))
        if old := options["stable_endpoints"]:
            ask(old[len(found) % len(old)], options["path"], body=body, timeout=_TIMEOUT_SECONDS)
        time.sleep(max(0.0, begun + len(found) * pause - time.monotonic()))
    return found


def _counted(endpoint: str) -> Counters | None:
    host, _, port = endpoint.rpartition(":")
    # Servers of earlier versions show their counters where they answer requests.
    for place in (f"{host}:{metrics_port(int(port))}", endpoint):
        answer = ask(place, "/metrics", timeout=_SCRAPE_SECONDS)
        if answer.status == 200:
            return Counters.read(answer.text)
    return None


def _measured(
    endpoints: Sequence[str], before: Mapping[str, Counters | None], sent: list[tuple[float, str]] | None
) -> dict[str, float]:
    """Return rates and times: as the servers counted them, else those of our own requests."""
    now = {endpoint: _counted(endpoint) for endpoint in endpoints}
    deltas = [found.since(before[endpoint] or Counters()) for endpoint, found in now.items() if found is not None]
    counted = summed(deltas)
    if sent is not None:
        # What never reached a server, or was answered wrongly, no server counts as an error.
        counted.errors = max(counted.errors, sum(bool(text) for _, text in sent))
        if not deltas:
            for seconds, _ in sent:
                counted.count(status=200, seconds=seconds)
        counted.requests = max(counted.requests, len(sent))
    if not counted.requests:
        return {}
    return {
        "requests": float(counted.requests),
        "errors": float(counted.errors),
        "refused": float(counted.refused),
        "error_rate": counted.errors / counted.requests,
        "p50_seconds": counted.quantile(0.5),
        "p95_seconds": counted.quantile(0.95),
    }


def _judged(context: BodyContext, metrics: Mapping[str, float]) -> Metrics:
    request = context.request
    assert request.run is not None
    function = load_function(request.run)
    params: dict[str, Any] = {**request.params, _OBSERVED: dict(metrics)}
    arguments = bind(function, inputs={}, outputs={}, params=params, name=request.run)
    found = as_metrics(call(function, arguments, name=request.run), source=request.run)
    taken = sorted({*found.kept, *found.undefined} & metrics.keys())
    if taken:
        raise ContractError(f"{request.run} returned the metric {taken[0]!r}, which is measured already; rename it")
    return found
