"""Servers that tests share; each is started once a session on a free port and ends with it."""

import os
import sys
import uuid

import hypothesis
import pytest

from airflow_ml_provider.testing.mlflow_server import MlflowServer
from airflow_ml_provider.testing.server_process import ServerProcess, free_port

# A busy machine draws examples slowly; what hangs has its own limit.
hypothesis.settings.register_profile("busy", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("busy")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """The cluster is one process's, and so is each Airflow; who is done first takes the rest.

    xdist's own groups (3.8) are not seen by pytest 9.2.
    """
    from xdist.scheduler import LoadScopeScheduling

    class ByServer(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            folder = nodeid.split("/")[1]
            shared = {"integration": "airflow", **{name: name for name in ("cluster", "browser", "security")}}
            return shared.get(folder, nodeid)

    return ByServer(config, log)


@pytest.fixture(scope="session")
def s3_endpoint(tmp_path_factory):
    """A real S3 server (moto's) with the variables that s3fs and boto read."""
    import fsspec
    import httpx

    port = free_port()
    url = f"http://127.0.0.1:{port}"
    server = ServerProcess(
        name="moto's S3 server",
        command=[sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        environment={},
        log=tmp_path_factory.mktemp("s3") / "s3.log",
    )
    variables = {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        server.start()
        server.wait_until(lambda: httpx.get(f"{url}/moto-api/").status_code == 200, seconds=60)
        # fsspec keeps file systems by their arguments, whatever the environment says by now.
        fsspec.get_filesystem_class("s3").clear_instance_cache()
        yield url
    finally:
        server.stop(seconds=3)
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.__setitem__(name, value)


@pytest.fixture
def s3_store(s3_endpoint):
    """URI of a new bucket."""
    import fsspec

    bucket = f"b{uuid.uuid4().hex}"
    fsspec.filesystem("s3").mkdir(bucket)
    return f"s3://{bucket}/store"


@pytest.fixture(scope="session")
def mlflow_server(tmp_path_factory):
    """A real MLflow server with SQLite."""
    with MlflowServer(tmp_path_factory.mktemp("mlflow")) as server:
        yield server
