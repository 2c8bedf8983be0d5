"""In which order the stages of a pipeline can run."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from graphlib import TopologicalSorter

from airflow_ml_provider.spec.pipeline import PipelineSpec


def in_order(spec: PipelineSpec) -> list[str]:
    """Return the stages with every upstream first, ties in the order of the file."""
    return upstream_first({name: sorted(spec.upstream(name)) for name in spec.stages})


def upstream_first(upstream: Mapping[str, Collection[str]]) -> list[str]:
    """Return stages with every upstream first, ties in the order given."""
    sorter = TopologicalSorter(upstream)
    sorter.prepare()
    order: list[str] = []
    position = {name: index for index, name in enumerate(upstream)}
    while sorter.is_active():
        ready = sorted(sorter.get_ready(), key=position.__getitem__)
        order.extend(ready)
        sorter.done(*ready)
    return order


def downstream(spec: PipelineSpec, stage: str) -> set[str]:
    """Return a stage and all that waits for it, however far."""
    found = {stage}
    for name in in_order(spec):
        if found & spec.upstream(name):
            found.add(name)
    return found
