"""Where metrics and health are served: `containerapp.server`."""

from __future__ import annotations

import socket

import aiohttp
import pytest
from prometheus_client import CollectorRegistry

from containerapp import server
from containerapp.settings import Settings

_HAS_IPV6 = socket.has_dualstack_ipv6()


async def _get(address: str, port: int) -> str:
    async with aiohttp.ClientSession() as session, session.get(f"http://{address}:{port}/readyz") as answer:
        return f"{answer.status} {(await answer.text()).strip()}"


def _default_host() -> str:
    return str(Settings.model_fields["http_host"].default)


@pytest.mark.skipif(not _HAS_IPV6, reason="this kernel knows no IPv6")
async def test_by_default_probes_reach_it_over_both_families() -> None:
    """The kubelet asks the Pod's address, which is IPv6 in an IPv6 cluster of EKS."""
    registry = CollectorRegistry()
    async with server.serve(_default_host(), 0, registry, healthy=_well, ready=_well) as port:
        assert await _get("127.0.0.1", port) == "200 ok"
        assert await _get("[::1]", port) == "200 ok"


async def test_without_ipv6_it_serves_ipv4(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel that was started without IPv6 cannot make such a socket."""
    monkeypatch.setattr(socket, "has_dualstack_ipv6", lambda: False)
    registry = CollectorRegistry()
    async with server.serve(_default_host(), 0, registry, healthy=_well, ready=_well) as port:
        assert await _get("127.0.0.1", port) == "200 ok"


async def test_a_port_in_use_ends_it_with_an_error() -> None:
    """Two operators on one machine: the second must not go on without its pages."""
    registry = CollectorRegistry()
    with socket.create_server(("", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match="in use"):
            async with server.serve("::", port, registry, healthy=_well, ready=_well):
                pass


async def test_an_address_of_its_own_is_served_alone() -> None:
    """As it was asked for."""
    registry = CollectorRegistry()
    async with server.serve("127.0.0.1", 0, registry, healthy=_well, ready=lambda: "not yet") as port:
        assert await _get("127.0.0.1", port) == "503 not yet"
        with pytest.raises(aiohttp.ClientConnectionError):
            await _get("127.0.0.2", port)


def _well() -> str | None:
    return None
