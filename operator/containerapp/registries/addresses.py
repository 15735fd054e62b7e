"""Which addresses a lookup may reach: public ones, unless the platform team has named the host.

Called by the sessions that ask registries, for every host of every request, redirects and token services among them. A
host from a manifest must not lead the operator to its own Pod, to the metadata service or into the private network,
whatever its name resolves to.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeAlias

from aiohttp.abc import AbstractResolver, ResolveResult

MAX_RESOLVING: Final = 8

_Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

_NUMERIC_END = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)\.?", re.IGNORECASE)
"""Hosts that resolvers take for IPv4 addresses, in whatever notation: 127.1, 2130706433, 0x7f.1."""
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


class NotPublic(OSError):
    """The host has no public address."""


class PublicOnly(AbstractResolver):
    """Names to addresses, of which only the public ones are returned.

    It uses a bounded number of its own threads: a name server that hangs must not hold up other parts.
    """

    def __init__(self, *, may_be_private: Callable[[str, int], bool]) -> None:
        """`may_be_private` says of a host and a port whether all their addresses will do."""
        self._may_be_private = may_be_private
        self._threads = ThreadPoolExecutor(MAX_RESOLVING, thread_name_prefix="registry-dns")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the addresses of `host`; raise `NotPublic` where it has none that may be reached."""
        found = await self.look_up(host, port, family)
        if not self._may_be_private(host, port):
            found = [entry for entry in found if is_public(entry["host"])]
            if not found:
                raise NotPublic(f"{host} has no public address")
        return found

    async def look_up(self, host: str, port: int, family: socket.AddressFamily) -> list[ResolveResult]:
        """Return all addresses of `host`."""
        loop = asyncio.get_running_loop()
        answers = await loop.run_in_executor(
            self._threads, socket.getaddrinfo, host, port, family, socket.SOCK_STREAM
        )
        return [
            ResolveResult(
                hostname=host,
                host=str(address[0]),
                port=port,
                family=kind,
                proto=protocol,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for kind, _, protocol, _, address in answers
        ]

    async def close(self) -> None:
        """Give back the threads; one that waits for a name server ends when that has answered."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def is_public(address: str) -> bool:
    """Whether an address is reached from everywhere; one that carries another within is judged by both."""
    parsed = _parsed(address)
    if parsed is None:
        return False
    inner = _embedded(parsed)
    return parsed.is_global and not parsed.is_multicast and (inner is None or inner.is_global)


def is_private_literal(host: str) -> bool:
    """Whether a host says by itself, without being resolved, that it is not public."""
    if _parsed(host) is not None:
        return not is_public(host)
    return is_loopback_name(host) or _NUMERIC_END.fullmatch(host) is not None


def is_loopback_name(host: str) -> bool:
    """Whether a host means the operator's own Pod."""
    parsed = _parsed(host)
    return parsed.is_loopback if parsed else host == "localhost" or host.endswith(".localhost")


def _parsed(address: str) -> _Address | None:
    try:
        return ipaddress.ip_address(address)
    except ValueError:
        return None


def _embedded(address: _Address) -> ipaddress.IPv4Address | None:
    """Return the IPv4 address that an IPv6 address leads to: mapped, 6to4 or NAT64."""
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour
