"""A way to the API server on which the followed logs can be stopped, and nothing else."""

import asyncio
import base64
import copy
import ssl
import threading
from contextlib import contextmanager

import aiohttp
from aiohttp import web

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "host", "content-length", "content-encoding"}


def passed_on(headers):
    return {name: value for name, value in headers.items() if name.lower() not in HOP_BY_HOP}


class ApiProxy:
    """Serves on a port of this machine until ``close``; clients bring their own tokens."""

    def __init__(self, kubeconfig):
        self._config = copy.deepcopy(kubeconfig)
        cluster = self._config["clusters"][0]["cluster"]
        self._upstream = cluster["server"]
        authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
        self._ssl = ssl.create_default_context(cadata=authority)
        self._frozen = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._runner, port = self._call(self._start())
        self._config["clusters"][0]["cluster"] = {"server": f"http://127.0.0.1:{port}"}

    @property
    def kubeconfig(self):
        """The kubeconfig that leads here."""
        return self._config

    @contextmanager
    def frozen_logs(self):
        """Bring nothing of a followed log any more, and leave its connection open."""
        self._frozen.set()
        try:
            yield
        finally:
            self._frozen.clear()

    def close(self):
        self._call(self._runner.cleanup())
        self._call(self._session.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _call(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(timeout=30)

    async def _start(self):
        connector = aiohttp.TCPConnector(ssl=self._ssl, limit=0)
        self._session = aiohttp.ClientSession(
            connector=connector, timeout=aiohttp.ClientTimeout(total=None), auto_decompress=False
        )
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._pass)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        return runner, runner.addresses[0][1]

    async def _pass(self, request):
        followed = request.path.endswith("/log") and request.query.get("follow", "").lower() == "true"
        async with self._session.request(
            request.method,
            self._upstream + request.path_qs,
            headers=passed_on(request.headers),
            data=await request.read(),
        ) as answer:
            response = web.StreamResponse(status=answer.status, headers=passed_on(answer.headers))
            await response.prepare(request)
            async for chunk in answer.content.iter_any():
                while followed and self._frozen.is_set():
                    await asyncio.sleep(0.1)
                await response.write(chunk)
            while followed and self._frozen.is_set():
                await asyncio.sleep(0.1)
            await response.write_eof()
            return response
