"""A web server below the bounds of a URI does not decide what else is read."""

import http.server
import threading

import pytest

from airflow_ml_provider.artifacts.errors import StoreError
from airflow_ml_provider.artifacts.listing import paths_of
from airflow_ml_provider.artifacts.objects import filesystem, store_errors


@pytest.fixture
def server():
    """A server whose ``/data/moved.csv`` sends its client to ``/secret``."""

    class Moved(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            moved = self.path == "/data/moved.csv"
            self.send_response(302 if moved else 200)
            if moved:
                self.send_header("Location", "/secret")
            self.send_header("Content-Length", "0" if moved else "6")
            self.end_headers()
            if not moved and self.command == "GET":
                self.wfile.write(b"secret" if self.path == "/secret" else b"a,b\n1\n")

        do_HEAD = do_GET

        def log_message(self, *arguments):
            """Say nothing."""

    found = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Moved)
    threading.Thread(target=found.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{found.server_address[1]}"
    found.shutdown()
    found.server_close()


def fetched(uri, target, *, redirects):
    fs, _ = filesystem(uri, redirects=redirects)
    with store_errors("read", uri):
        for path in paths_of(uri, fs):
            fs.get_file(path, str(target))
    return target.read_bytes() if target.exists() else None


def test_an_authors_uri_may_lead_elsewhere(server, tmp_path):
    assert fetched(f"{server}/data/moved.csv", tmp_path / "x", redirects=True) == b"secret"


def test_a_bounded_uri_may_not(server, tmp_path):
    assert fetched(f"{server}/data/a.csv", tmp_path / "a", redirects=False) == b"a,b\n1\n"
    try:
        found = fetched(f"{server}/data/moved.csv", tmp_path / "x", redirects=False)
    except StoreError as error:
        found = str(error)
    assert found is not None, "nothing was found, and nobody says why"
    assert "sends its client to '/secret'" in found
