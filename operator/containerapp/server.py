"""Metrics and health over HTTP, on one port: `/metrics`, `/healthz`, `/readyz`.

Started by main before anything else and closed last. Reports; decides nothing.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

Check = Callable[[], str | None]
"""Says what is wrong, or None where nothing is."""


@asynccontextmanager
async def serve(
    host: str, port: int, registry: CollectorRegistry, *, healthy: Check, ready: Check
) -> AsyncIterator[int]:
    """Serve until left; yield the port, which the system chooses where 0 is asked for.

    The host `::` is every address of both families: a cluster's Pods have IPv4 or IPv6 addresses.
    """

    async def metrics(_request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application()
    app.router.add_get("/metrics", metrics)
    app.router.add_get("/healthz", _answer(healthy))
    app.router.add_get("/readyz", _answer(ready))
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await (
            web.SockSite(runner, _listen(port)) if host == "::" else web.TCPSite(runner, host, port)
        ).start()
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()


def _listen(port: int) -> socket.socket:
    """Return a socket for both families; for IPv4 alone where the kernel knows no IPv6, or has no address of it."""
    if socket.has_dualstack_ipv6():
        try:
            return socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
        except OSError as error:
            if error.errno not in {errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL}:
                raise
    return socket.create_server(("", port))


def _answer(check: Check) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def respond(_request: web.Request) -> web.Response:
        problem = check()
        return web.Response(text=f"{problem or 'ok'}\n", status=503 if problem else 200)

    return respond
