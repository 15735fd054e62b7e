"""Of the event loop: whose file descriptor it is after a connection failed."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from containerapp.loop import EventLoop


def test_a_descriptor_is_closed_once() -> None:
    """A connection that is reset before TLS says hello: its Python socket must not close the number again."""
    with socket.create_server(("127.0.0.1", 0)) as server, asyncio.Runner(loop_factory=EventLoop) as runner:
        sock = runner.run(_connect_and_be_reset(server))

    assert sock.fileno() == -1


def test_a_failed_connection_leaves_no_descriptor_open() -> None:
    """Who lets go of a socket must be sure that its descriptor was closed."""
    before = _descriptors()
    with socket.create_server(("127.0.0.1", 0)) as server, asyncio.Runner(loop_factory=EventLoop) as runner:
        for _ in range(3):
            runner.run(_connect_and_be_reset(server))

    assert _descriptors() == before


def test_the_end_of_a_connection_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    """Nobody can act upon TLS having wanted to answer on a connection that had just been closed."""

    async def write_to_closed() -> None:
        loop = asyncio.get_running_loop()
        with socket.create_server(("127.0.0.1", 0)) as server:
            transport, _ = await loop.create_connection(asyncio.Protocol, *server.getsockname())
        transport.abort()
        await asyncio.sleep(0.01)
        with pytest.raises(RuntimeError) as refused:
            transport.write(b"x")
        loop.call_exception_handler({"message": "Fatal error on SSL protocol", "exception": refused.value})

    with asyncio.Runner(loop_factory=EventLoop) as runner:
        runner.run(write_to_closed())

    assert not caplog.records


def test_generators_that_end_with_the_loop_are_no_error(caplog: pytest.LogCaptureFixture) -> None:
    """A watch that kopf leaves when it is cancelled amid an event: a generator that holds another."""
    left: list[AsyncIterator[int]] = []

    @asynccontextmanager
    async def held() -> AsyncIterator[None]:
        try:
            yield
        finally:
            await asyncio.sleep(0)

    async def stream() -> AsyncIterator[int]:
        async with held():
            yield 1

    async def leave() -> None:
        left.append(stream())
        await anext(left[0])

    with caplog.at_level("DEBUG", "containerapp.loop"), asyncio.Runner(loop_factory=EventLoop) as runner:
        runner.run(leave())

    assert {record.levelname for record in caplog.records} == {"DEBUG"}


def test_other_errors_are_told(caplog: pytest.LogCaptureFixture) -> None:
    """A callback that fails is a bug."""

    async def fail() -> None:
        asyncio.get_running_loop().call_soon(lambda: 1 / 0)
        await asyncio.sleep(0.01)

    with asyncio.Runner(loop_factory=EventLoop) as runner:
        runner.run(fail())

    (record,) = caplog.records
    assert record.levelname == "ERROR"
    assert record.exc_info is not None
    assert record.exc_info[0] is ZeroDivisionError


async def _connect_and_be_reset(server: socket.socket) -> socket.socket:
    """Connect, have the peer reset the connection, and only then begin with TLS; return the client's socket."""
    loop = asyncio.get_running_loop()
    sock = socket.socket()
    sock.setblocking(False)
    await loop.sock_connect(sock, server.getsockname())
    peer, _ = server.accept()
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()
    time.sleep(0.05)  # noqa: ASYNC251 - the reset has to arrive before the loop turns again
    with pytest.raises(ConnectionResetError):
        await loop.create_connection(
            asyncio.Protocol, sock=sock, ssl=ssl.create_default_context(), server_hostname="localhost"
        )
    await asyncio.sleep(0)
    return sock


def _descriptors() -> set[str]:
    return {entry.name for entry in Path("/proc/self/fd").iterdir()}
