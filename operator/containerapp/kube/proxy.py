"""Which proxy leads to the API server: HTTPS_PROXY and NO_PROXY, read as Go's programs read them.

Called once by the client, for all connections of the process. Python's own reading of NO_PROXY knows names and whole
addresses; the values that clusters use hold networks as well, such as 172.20.0.0/16.
"""

from __future__ import annotations

import ipaddress
from contextlib import suppress
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass


def proxy_for(server: str) -> str | None:
    """Return the URL of the proxy that the environment names for `server`; None where requests go straight to it."""
    url = urlsplit(server)
    host, proxies = url.hostname or "", getproxies()
    if proxy_bypass(host) or _exempt(host, proxies.get("no", "")):
        return None
    proxy = proxies.get(url.scheme)
    return f"http://{proxy}" if proxy and "://" not in proxy else proxy


def _exempt(host: str, no_proxy: str) -> bool:
    """Return whether an entry of NO_PROXY that Python does not understand covers `host`."""
    return any(_covers(entry.strip().lower(), host.lower()) for entry in no_proxy.split(","))


def _covers(entry: str, host: str) -> bool:
    if entry == "*":
        return True
    if entry.startswith("*."):
        return host.endswith(entry[1:])
    with suppress(ValueError):
        return ipaddress.ip_address(host) in ipaddress.ip_network(entry.strip("[]"), strict=False)
    return False
