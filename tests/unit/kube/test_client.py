"""What a request's failure says, and what it must not: `containerapp.kube.client`, before an odd server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from containerapp.errors import Transient
from containerapp.kube.client import connect

_KUBECONFIG = """\
apiVersion: v1
kind: Config
current-context: odd
clusters: [{name: odd, cluster: {server: "http://127.0.0.1:PORT"}}]
users: [{name: odd, user: {token: very-secret}}]
contexts: [{name: odd, context: {cluster: odd, user: odd}}]
"""


@asynccontextmanager
async def _server(answer: bytes) -> AsyncIterator[int]:
    """Run a server that answers everything alike; yield its port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.1 bogus\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"]
)
async def test_a_failure_names_no_token(
    answer: bytes, tmp_path: Path, log_in: Callable[[Path], None]
) -> None:
    """Whatever stands before the API server: what is said goes into the log and into the status of the app."""
    kubeconfig = tmp_path / "kubeconfig"
    log_in(kubeconfig)
    async with _server(answer) as port:
        kubeconfig.write_text(_KUBECONFIG.replace("PORT", str(port)))
        async with connect(lambda *_: None) as client:
            with pytest.raises(Transient) as caught:
                await client.apply("/api/v1/namespaces/shop/services/web", {})
    assert "very-secret" not in caught.value.message
    assert "/services/web" in caught.value.message
