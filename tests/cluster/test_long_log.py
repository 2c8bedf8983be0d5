"""A log that is written faster than it is read, and longer than its node keeps."""

import importlib
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
COUNT = 600_000


@pytest.fixture
def benchmark(cluster, kubernetes, monkeypatch):
    monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig))
    monkeypatch.setenv("ML_TEST_IMAGE", cluster.image)
    monkeypatch.setenv("ML_TEST_NAMESPACE", kubernetes.namespace)
    # Its followers are processes that import it by this name.
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    yield importlib.import_module("pod_log")
    del sys.modules["pod_log"]


def test_each_line_is_reported_once_or_named_as_missing(benchmark):
    del benchmark.FOLLOWERS["KubernetesPodOperator"]
    for follower, seen in benchmark.one_round(count=COUNT, pause=0.0).items():
        lines, twice, gaps, _ = seen
        assert lines > 0, follower
        assert twice == 0
        assert [gap for gap in gaps if "missing" not in gap] == [], follower
