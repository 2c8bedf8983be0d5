"""A way to MLflow that asks for a login, as an administrator puts one before it."""

import base64
import http.server
import threading

import httpx

_HOP = ("connection", "content-encoding", "content-length", "host", "keep-alive", "transfer-encoding")


class LoginProxy:
    """Forwards to a server what has the right login or token; 401 otherwise."""

    def __init__(self, target, *, login, password, token):
        basic = base64.b64encode(f"{login}:{password}".encode()).decode()
        allowed = (f"Basic {basic}", f"Bearer {token}")
        client = httpx.Client(base_url=target, timeout=60)

        class Forward(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def forward(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                if self.headers.get("Authorization") not in allowed:
                    self.answer(401, {}, b"login")
                    return
                kept = {name: value for name, value in self.headers.items() if name.lower() not in _HOP}
                kept.pop("Authorization")
                found = client.request(self.command, self.path, content=body, headers=kept)
                self.answer(found.status_code, found.headers, found.content)

            def answer(self, status, headers, content):
                self.send_response(status)
                for name, value in headers.items():
                    if name.lower() not in _HOP:
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = forward

            def log_message(self, *arguments):
                """Say nothing."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Forward)
        self._client = client
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self):
        self._server.shutdown()
        self._server.server_close()
        self._client.close()
