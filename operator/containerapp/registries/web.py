"""HTTP to registries: requests whose target, time and answer are bounded, whatever a registry does.

Called by the OCI client. Follows nothing of the process's environment but an explicit proxy (HTTPS_PROXY, HTTP_PROXY,
NO_PROXY) and the certificate authorities: no .netrc, no cookies. Keeps no more of an answer than it was asked to.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final
from urllib.request import getproxies, proxy_bypass

import aiohttp
from yarl import URL

from containerapp.registries.addresses import NotPublic, PublicOnly, is_loopback_name, is_private_literal
from containerapp.registries.policy import Policy

USER_AGENT: Final = "containerapp-operator"
# "Registries SHOULD … reject manifests over 4 MiB"; tokens are far smaller.
MAX_BODY: Final = 4 * 1024 * 1024
MAX_KEPT: Final = 256 * 1024
_CHUNK: Final = 64 * 1024
_TIMEOUT: Final = 15.0
_PORTS: Final = {"https": 443, "http": 80}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a registry answered.

    `digest` is that of the whole body, of which `body` is the beginning, and `whole` whether it is all. Of a refusal
    there is no body.
    """

    status: int
    headers: Mapping[str, str]
    challenges: tuple[str, ...]
    digest: str
    body: bytes
    whole: bool


class Web:
    """Sends requests, by the proxy where the environment names one for the host."""

    def __init__(self, direct: aiohttp.ClientSession, proxied: aiohttp.ClientSession, policy: Policy) -> None:
        """`direct` resolves names to addresses that may be reached; `proxied` reaches the proxy alone."""
        self._direct = direct
        self._proxied = proxied
        self.policy = policy

    async def request(self, method: str, url: URL, headers: Mapping[str, str], *, timeout: float) -> Answer:  # noqa: ASYNC109 - aiohttp's own
        """Send one request; follow no redirect."""
        if is_private_literal(url.raw_host or "") and not self.policy.may_be_private(host_of(url)):
            raise NotPublic(f"{url.raw_host} is not public")
        proxy = proxy_for(url)
        session = self._direct if proxy is None else self._proxied
        async with session.request(
            method,
            url,
            headers={"User-Agent": USER_AGENT, "Accept-Encoding": "identity", **headers},
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=timeout, connect=timeout / 3),
            proxy=proxy,
        ) as response:
            return await _read(response)


async def _read(response: aiohttp.ClientResponse) -> Answer:
    """Hash the body of a good answer as it streams; leave that of any other where it is."""
    computed, kept, length = hashlib.sha256(), bytearray(), 0
    if response.status == 200:
        async for chunk in response.content.iter_chunked(_CHUNK):
            length += len(chunk)
            if length > MAX_BODY:
                raise ValueError(f"an answer longer than {MAX_BODY} bytes")
            computed.update(chunk)
            kept += chunk[: MAX_KEPT - len(kept)]
    return Answer(
        status=response.status,
        headers=response.headers,
        challenges=tuple(response.headers.getall("WWW-Authenticate", ())),
        digest=f"sha256:{computed.hexdigest()}",
        body=bytes(kept),
        whole=length == len(kept),
    )


@asynccontextmanager
async def open_web(policy: Policy) -> AsyncIterator[Web]:
    """Open the sessions, and close them in the end."""
    addresses = PublicOnly(may_be_private=lambda host, port: policy.may_be_private(_joined(host, port)))
    connector = aiohttp.TCPConnector(resolver=addresses)
    async with _session(connector) as direct, _session(aiohttp.TCPConnector()) as proxied:
        try:
            yield Web(direct, proxied, policy)
        finally:
            await addresses.close()


def _session(connector: aiohttp.TCPConnector) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=connector, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False, trust_env=False
    )


def proxy_for(url: URL) -> str | None:
    """Return the proxy that the environment names for `url`; loopback is never a proxy's."""
    host = url.raw_host or ""
    if is_loopback_name(host) or proxy_bypass(host):
        return None
    return getproxies().get(url.scheme)


def host_of(url: URL) -> str:
    """Return host and port of `url` as images name them: without the port where it is the scheme's own."""
    return url.host_port_subcomponent or ""


def _joined(host: str, port: int) -> str:
    return host if port in _PORTS.values() else f"{host}:{port}"
