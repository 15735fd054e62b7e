"""Registries that mean harm, on loopback: one server for each kind of answer, in a thread of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from functools import partial
from threading import Event, Thread

INDEX = "application/vnd.oci.image.index.v1+json"
KINDS = ("challenge", "type", "deep", "digits", "slow", "big")
_BIG = 4 * 1024 * 1024


def _answer(kind: str, request: bytes, port: int) -> bytes:
    """Return what a server of this kind answers."""
    token = request.startswith(b"GET /token")
    match kind:
        case "challenge":
            return _head(401, b"WWW-Authenticate: Bearer " + b"a" * 8100)
        case "type":
            return _head(
                200, b"Content-Type: text/\xff\x1b[31m", b"Docker-Content-Digest: sha256:\xe2\x80\xae"
            )
        case "deep" | "digits" if not token:
            return _head(401, f'WWW-Authenticate: Bearer realm="http://127.0.0.1:{port}/token"'.encode())
        case "deep":
            return _head(200, b"Content-Type: application/json") + b"[" * 60_000
        case "digits":
            return _head(200) + b'{"token": "a", "expires_in": ' + b"9" * 400 + b"}"
        case "big" if request.startswith(b"GET"):
            return _head(200, f"Content-Type: {INDEX}".encode()) + b" " * (_BIG - 1)
        case _:
            return _head(405)


def _head(status: int, *headers: bytes) -> bytes:
    return b"\r\n".join([f"HTTP/1.1 {status} X".encode(), *headers, b"Connection: close", b"", b""])


async def _serve(kind: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        # asyncio logs a handler that is cancelled, as those are that still wait in the end.
        with suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            request = await reader.readuntil(b"\r\n\r\n")
            if kind == "slow":
                await reader.read()  # until the other side has lost its patience
            writer.write(_answer(kind, request, writer.get_extra_info("sockname")[1]))
            await writer.drain()
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def _serve_all(hosts: dict[str, str], ready: Event, stop: Event) -> None:
    async with AsyncExitStack() as servers:
        for kind in KINDS:
            server = await asyncio.start_server(partial(_serve, kind), "127.0.0.1", 0)
            await servers.enter_async_context(server)
            hosts[kind] = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        ready.set()
        while not stop.is_set():  # noqa: ASYNC110 - set by another thread
            await asyncio.sleep(0.1)


@contextmanager
def hostile_registries() -> Iterator[dict[str, str]]:
    """Serve while inside; yield host and port by kind."""
    hosts: dict[str, str] = {}
    ready, stop = Event(), Event()
    thread = Thread(target=lambda: asyncio.run(_serve_all(hosts, ready, stop)))
    thread.start()
    ready.wait(10)
    try:
        yield hosts
    finally:
        stop.set()
        thread.join(10)
