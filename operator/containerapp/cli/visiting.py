"""Where an app answers."""

from __future__ import annotations

from urllib.parse import urlsplit

from containerapp.cli.exits import Failure
from containerapp.cli.looks import Look


def address(seen: Look) -> str:
    """Return the app's URL; where it has none, end the command with the reason."""
    url = seen.status.get("url")
    if url:
        return str(url)
    name, spec = seen.app["metadata"]["name"], seen.app["spec"]
    if not (spec.get("port") or spec.get("ports")):
        raise Failure(f"{name} has no address: it has no port. Add spec.port.")
    ready = seen.conditions.get("Ready", {}).get("message", "")
    raise Failure(f"{name} has no address yet. {ready}".rstrip())


def is_internal(url: str) -> bool:
    """Whether the address is known inside the cluster alone."""
    return (urlsplit(url).hostname or "").endswith(".svc")
