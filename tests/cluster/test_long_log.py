"""A log that is written faster than it is read, and longer than its node keeps."""

import importlib.util
from pathlib import Path

import pytest

MODULE = Path(__file__).parents[2] / "benchmarks" / "pod_log.py"
COUNT = 600_000


@pytest.fixture
def benchmark(cluster, kubernetes, monkeypatch):
    monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig))
    monkeypatch.setenv("ML_TEST_IMAGE", cluster.image)
    monkeypatch.setenv("ML_TEST_NAMESPACE", kubernetes.namespace)
    # Its followers are processes that import it by this name.
    monkeypatch.syspath_prepend(str(MODULE.parent))
    spec = importlib.util.spec_from_file_location("pod_log", MODULE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_each_line_is_told_once_or_named_as_missing(benchmark):
    del benchmark.FOLLOWERS["KubernetesPodOperator"]
    for follower, seen in benchmark.one_round(count=COUNT, pause=0.0).items():
        lines, twice, gaps, _ = seen
        assert lines > 0
        assert twice == 0
        assert [gap for gap in gaps if "missing" not in gap] == [], follower
