"""Files of a web server: what is new or changed there is seen, whatever the server says of them."""

import http.server
import threading
from email.utils import formatdate

import pytest

from airflow_ml_provider.artifacts.errors import StoreError
from airflow_ml_provider.artifacts.listing import entry_of, version_of
from airflow_ml_provider.artifacts.objects import filesystem
from airflow_ml_provider.artifacts.source_files import fingerprint, objects

TIME = 1_700_000_000


class Server:
    """A web server of ``/data/a.csv`` and ``/data/b.csv``; ``says`` are what it tells next to the content."""

    def __init__(self):
        self.files = {"/data/a.csv": b"1", "/data/b.csv": b"2"}
        self.says = {"ETag", "Last-Modified", "Content-Length", "listing"}
        self.changed = dict.fromkeys(self.files, TIME)
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                content, headers = server.answer(self.path)
                self.send_response(200 if content is not None else 404)
                for name, value in headers.items():
                    if name in server.says:
                        self.send_header(name, value)
                self.end_headers()
                if self.command == "GET" and content is not None:
                    self.wfile.write(content)

            do_HEAD = do_GET

            def log_message(self, *arguments):
                """Say nothing."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def answer(self, path):
        if path.rstrip("/") == "/data" and "listing" in self.says:
            return b"".join(f'<a href="{name}">{name}</a>\n'.encode() for name in self.files), {}
        if path == "/moved/a.csv":
            path = "/data/a.csv"
        content = self.files.get(path)
        if content is None:
            return None, {}
        headers = {
            "ETag": f'"{content.hex()}"',
            "Last-Modified": formatdate(self.changed[path], usegmt=True),
            "Content-Length": str(len(content)),
        }
        return content, headers

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *error):
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def server():
    with Server() as found:
        yield found


@pytest.mark.parametrize(
    "says",
    [
        {"ETag", "Last-Modified", "Content-Length", "listing"},
        {"ETag", "listing"},
        {"Last-Modified", "Content-Length", "listing"},
    ],
    ids=["all", "ETag", "size and time"],
)
def test_a_changed_file_is_another_version(server, says):
    server.says = says
    pattern = f"{server.url}/data/*.csv"
    before, versions = fingerprint(pattern), {found.uri: found.version for found in objects(pattern)}
    assert set(versions) == {f"{server.url}{name}" for name in server.files}
    assert fingerprint(pattern) == before
    server.files["/data/a.csv"], server.changed["/data/a.csv"] = b"3", TIME + 5
    assert fingerprint(pattern) != before
    after = {found.uri: found.version for found in objects(pattern)}
    assert {uri for uri in after if after[uri] != versions[uri]} == {f"{server.url}/data/a.csv"}
    # The stage that copies it asks again.
    fs, path = filesystem(f"{server.url}/data/a.csv")
    assert version_of(entry_of(fs, path)) == after[f"{server.url}/data/a.csv"]


def test_one_file_of_a_server_that_lists_nothing(server):
    server.says = {"Last-Modified", "Content-Length"}
    uri = f"{server.url}/data/a.csv"
    before = fingerprint(uri)
    assert before
    server.files["/data/a.csv"] = b"33"
    assert fingerprint(uri) != before
    assert fingerprint(f"{server.url}/data/none.csv") == ""
    assert [found.size for found in objects(uri)] == [2]


@pytest.mark.parametrize("says", [{"Content-Length"}, {"Last-Modified"}, set()], ids=sorted)
def test_what_shows_no_version_is_never_unchanged(server, says, caplog):
    server.says = {*says, "listing"}
    pattern = f"{server.url}/data/*.csv"
    with pytest.raises(StoreError, match=r"/data/a.csv shows neither an ETag nor a size and a time of change"):
        fingerprint(pattern)
    assert list(objects(pattern)) == []
    assert f"{server.url}/data/a.csv' is left out" in caplog.text
