"""What an image says of itself: the images of an index, the configuration, the ports. Pure.

Called by the registry clients with what a registry has returned, so any text is read; what is not as the OCI image
specification has it is as if it were not there.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from containerapp.api.images import is_digest


def image_in_index(manifest: bytes | str) -> str | None:
    """Return the digest of the image for Linux in an index, that for amd64 first; None of what is no index."""
    found = [each for each in _entries(_parsed(manifest)) if _platform(each).get("os") == "linux"]
    found.sort(key=lambda each: _platform(each).get("architecture") != "amd64")
    return next((digest for each in found if (digest := _digest(each))), None)


def config_digest(manifest: bytes | str) -> str | None:
    """Return the digest of the configuration of an image's manifest."""
    return _digest(_parsed(manifest).get("config"))


def architectures_in_index(manifest: bytes | str) -> frozenset[str]:
    """Return the architectures of an index's images for Linux, as in `amd64`; none of what is no index."""
    platforms = [_platform(each) for each in _entries(_parsed(manifest))]
    found = (each.get("architecture") for each in platforms if each.get("os") == "linux")
    return frozenset(each for each in found if isinstance(each, str) and each)


def architecture(config: bytes | str) -> frozenset[str]:
    """Return the architecture that an image's configuration names; none where it does not."""
    named = _parsed(config).get("architecture")
    return frozenset({named} if isinstance(named, str) and named else ())


def exposed_ports(config: bytes | str) -> tuple[int, ...]:
    """Return the TCP ports that an image's configuration exposes (`EXPOSE` of its Dockerfile), the lowest first."""
    runs = _parsed(config).get("config")
    exposed = runs.get("ExposedPorts") if isinstance(runs, dict) else None
    named = exposed if isinstance(exposed, dict) else {}
    numbers = (name.partition("/")[0] for name in named if name.partition("/")[2] in {"", "tcp"})
    ports = {int(number) for number in numbers if number.isdecimal() and len(number) <= 5}
    return tuple(sorted(port for port in ports if 1 <= port <= 65535))


def _parsed(text: bytes | str) -> dict[str, Any]:
    try:
        parsed = orjson.loads(text)
    except ValueError:
        return {}
    return parsed if isinstance(parsed, dict) else {}


def _entries(index: dict[str, Any]) -> Iterator[dict[str, Any]]:
    listed = index.get("manifests")
    return (each for each in (listed if isinstance(listed, list) else ()) if isinstance(each, dict))


def _platform(entry: dict[str, Any]) -> dict[str, Any]:
    platform = entry.get("platform")
    return platform if isinstance(platform, dict) else {}


def _digest(descriptor: Any) -> str | None:
    digest = descriptor.get("digest") if isinstance(descriptor, dict) else None
    return digest if isinstance(digest, str) and is_digest(digest) else None
