"""Files of a web server: what is new or changed there is seen, whatever the server says of them."""

import http.server
import os
import threading
import zipfile
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
        self.times = {}
        self.troubles = {}
        self.asked = []
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                server.asked.append(self.path)
                content, headers = server.answer(self.path)
                if status := server.troubles.get(self.path):
                    self.send_response(status)
                    self.send_header("Location", f"{server.url}/data/b.csv")
                    self.end_headers()
                    return
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
        content = self.files.get(path)
        if content is None:
            return None, {}
        headers = {
            "ETag": f'"{content.hex()}"',
            "Last-Modified": self.times.get(path) or formatdate(self.changed[path], usegmt=True),
            "Content-Length": str(len(content)),
        }
        return content, headers

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
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


@pytest.mark.parametrize("folder", [None, 403, 500], ids=["no folder", "forbidden", "broken"])
def test_one_file_of_a_server_that_lists_nothing(server, folder):
    server.says = {"Last-Modified", "Content-Length"}
    server.troubles = {"/data": folder, "/data/": folder}
    uri = f"{server.url}/data/a.csv"
    before = fingerprint(uri)
    assert before
    server.files["/data/a.csv"] = b"33"
    assert fingerprint(uri) != before
    assert fingerprint(f"{server.url}/data/none.csv") == ""
    assert [found.size for found in objects(uri)] == [2]
    assert not {"/data", "/data/", "/"} & set(server.asked)


def test_a_folder_that_may_not_be_listed_says_so(server):
    server.troubles = {"/data": 403, "/data/": 403}
    for look in (fingerprint, lambda pattern: list(objects(pattern))):
        with pytest.raises(StoreError, match="could not list .*403"):
            look(f"{server.url}/data/*.csv")


@pytest.mark.parametrize("status", [503, 429, 403])
def test_a_file_that_is_away_for_a_moment_is_not_one_that_is_gone(server, status):
    server.troubles = {"/data/b.csv": status}
    for look in (fingerprint, lambda pattern: list(objects(pattern))):
        with pytest.raises(StoreError, match=f"could not list .*b.csv.*{status}"):
            look(f"{server.url}/data/*.csv")


@pytest.mark.parametrize("status", [404, 410])
def test_a_file_that_is_gone_is_none(server, status):
    server.troubles = {"/data/b.csv": status}
    assert [found.uri for found in objects(f"{server.url}/data/*.csv")] == [f"{server.url}/data/a.csv"]


def test_files_that_do_not_match_are_not_asked_about(server):
    server.files |= {f"/data/{number}.txt": b"x" for number in range(20)}
    server.changed |= dict.fromkeys(server.files, TIME)
    assert len(list(objects(f"{server.url}/data/a*.csv"))) == 1
    assert not [path for path in server.asked if path.endswith(".txt")]


def test_a_bounded_uri_follows_no_redirect_to_find_out(server):
    uri = f"{server.url}/data/a.csv"
    server.troubles = {"/data/a.csv": 302}
    assert fingerprint(uri)
    with pytest.raises(StoreError, match="a.csv"):
        fingerprint(uri, redirects=False)


@pytest.mark.parametrize("says", [{"Content-Length"}, {"Last-Modified"}, set()], ids=sorted)
def test_what_shows_no_version_is_never_unchanged(server, says, caplog):
    server.says = {*says, "listing"}
    pattern = f"{server.url}/data/*.csv"
    with pytest.raises(StoreError, match=r"/data/a.csv' shows neither an ETag nor a size and a time of change"):
        fingerprint(pattern)
    listed = [found.uri for found in objects(pattern)]
    # Another size is another version still.
    assert len(listed) == (2 if "Content-Length" in says else 0)
    assert (f"{server.url}/data/a.csv' is left out" in caplog.text) == (not listed)


@pytest.mark.parametrize("time", ["Mon, 01 Jan 2024 00:00:99999999999999999999 GMT", "tomorrow", "+99999999999999"])
def test_a_time_that_is_none(server, time):
    server.says = {"Last-Modified", "Content-Length", "listing"}
    server.times = {"/data/a.csv": time}
    with pytest.raises(StoreError, match=r"/data/a.csv' shows neither"):
        fingerprint(f"{server.url}/data/*.csv")
    assert len(list(objects(f"{server.url}/data/*.csv"))) == 2


def test_other_stores_show_what_they_have(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("a.csv", "1")
    assert len(list(objects(f"zip://*.csv::file://{tmp_path}/x.zip"))) == 1
    old = tmp_path / "old.csv"
    old.write_text("1")
    os.utime(old, (0, 0))
    assert fingerprint(str(old))
    assert [found.changed for found in objects(f"{tmp_path}/*.csv")] == [0.0]
