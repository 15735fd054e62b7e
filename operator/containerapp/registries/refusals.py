"""What it means that a registry gave no digest, in the operator's own words: one reason and one remedy each.

Called by the OCI client. Messages are read in an app's status: they stay the same from one attempt to the next, hold
nothing of an answer but printable characters, and of a registry that the platform team does not know only what says
nothing of the network.
"""

from __future__ import annotations

import re
import ssl
from typing import Final

import aiohttp

from containerapp.api.artifacts import printable
from containerapp.api.images import ImageReference
from containerapp.errors import Blocked, ContainerAppError, Transient
from containerapp.registries.addresses import NotPublic, is_loopback_name
from containerapp.registries.web import Answer

_NO_TLS: Final = frozenset(
    {"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST", "UNKNOWN_PROTOCOL"}
)
_OUTDATED: Final = "application/vnd.docker.distribution.manifest.v1+"
_OF_THE_NETWORK: Final = frozenset(
    {"RegistryUnavailable", "UntrustedCertificate", "NoTls", "NotARegistry", "RegistryRefused"}
)
"""Reasons that tell what is where in a network."""


def refusal(answer: Answer, reference: ImageReference) -> ContainerAppError:
    """Return what an answer other than 200 means."""
    registry, status = reference.registry, answer.status
    if status in {401, 403}:
        return Blocked(
            "AccessDenied",
            f"{registry} has no public image {reference.canonical}: it does not exist, or it is private. The operator "
            "looks up tags of this registry without credentials. Correct spec.image, or give it the image's digest "
            "(`name@sha256:...`) and imagePullSecrets, or keep a copy in ECR (a pull-through cache rule does that).",
        )
    if status == 404:
        return Blocked(
            "ImageNotFound",
            f"{registry} has no image {reference.canonical}. Push the image or correct spec.image.",
        )
    if status == 429:
        return Transient(
            "Throttled",
            f"{registry} limits the rate of lookups. It is asked again by itself; an ECR pull-through cache rule "
            "avoids the limit.",
            retry_after=_retry_after(answer.headers.get("Retry-After", "")),
        )
    if status >= 500:
        return unavailable(registry, f"answers with HTTP status {status}")
    return Blocked(
        "RegistryRefused",
        f"{registry} refused to look up {reference.canonical} with HTTP status {status}. Correct spec.image, or look "
        "at the registry's own log.",
    )


def unsupported(reference: ImageReference, what: str) -> Blocked:
    """Return that the tag names something else than an image."""
    return Blocked(
        "UnsupportedManifest",
        f"{reference.canonical} is {printable(what, 120)}, not a container image that nodes can run. Correct "
        "spec.image, or build and push the image with a current tool.",
    )


def no_manifest(reference: ImageReference, media_type: str) -> Blocked:
    """Return that something else than a manifest of today was answered."""
    if media_type.startswith(_OUTDATED):
        return unsupported(reference, "an image in Docker's first format")
    return Blocked(
        "NotARegistry",
        f"{reference.registry} answers for {reference.canonical} with something else than a manifest and its digest "
        f"({printable(media_type) or 'no type'}), as a web site does. Correct spec.image.",
    )


def no_answer(error: Exception, registry: str) -> ContainerAppError:
    """Return what it means that a request ended in `error`."""
    match error:
        case aiohttp.ClientConnectorError(os_error=ssl.SSLError(reason=reason)) if reason in _NO_TLS:
            return Blocked(
                "NoTls",
                f"{registry} does not speak TLS, and the operator asks only registries with TLS. Serve TLS there, give "
                "the image's digest (`name@sha256:...`), or have the registry added to the operator's "
                "`insecureRegistries`.",
            )
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientSSLError():
            return Blocked(
                "UntrustedCertificate",
                f"The operator does not trust the certificate of {registry}. Add its certificate authority "
                "to the operator (SSL_CERT_FILE), or have the certificate renewed.",
            )
        case NotPublic() | aiohttp.ClientConnectorError(os_error=NotPublic()):
            return _not_public(registry)
        case aiohttp.ClientConnectorDNSError():
            return unavailable(registry, "has no address in DNS")
        case TimeoutError():
            return unavailable(registry, "does not answer in time")
        case aiohttp.ClientConnectorError():
            return unavailable(registry, "cannot be connected to")
        case _:
            return unavailable(registry, "does not answer as a registry does")


def unavailable(registry: str, why: str) -> Transient:
    """Return that a registry is of no use at present."""
    return Transient(
        "RegistryUnavailable",
        f"The registry {registry} {why}. It is asked again by itself; if this lasts, check the host in "
        "spec.image and the operator's network path to it.",
    )


def coarse(failure: ContainerAppError, reference: ImageReference) -> ContainerAppError:
    """Return `failure` without what it tells of the network: an app's author may have named any host there is."""
    if failure.reason not in _OF_THE_NETWORK:
        return failure
    if is_loopback_name(_name(reference.registry)):
        return _loopback(reference.registry)
    return Transient(
        "RegistryUnavailable",
        f"The registry {reference.registry} does not answer as a public registry with TLS does. It is asked again by "
        "itself; if this lasts, check the host in spec.image. The operator's log says more; a registry in a private "
        "network has to be listed in the operator's `privateRegistries`.",
    )


def _not_public(registry: str) -> ContainerAppError:
    if is_loopback_name(_name(registry)):
        return _loopback(registry)
    return unavailable(
        registry, "is, or sends to, a private network, and `privateRegistries` does not list that host"
    )


def _loopback(registry: str) -> Blocked:
    return Blocked(
        "LoopbackRegistry",
        f"{registry} means the operator's own Pod when the operator asks, and the node when the node pulls. For an "
        "image that the nodes have already, set imagePullPolicy: Never; for a registry that the nodes reach by this "
        "name, have it added to the operator's `skipTagResolving`.",
    )


def _name(registry: str) -> str:
    """Return the host without its port and brackets."""
    host = re.sub(r":[0-9]+$", "", registry) if not registry.endswith("]") else registry
    return host.strip("[]")


def _retry_after(value: str) -> float | None:
    """Return the seconds to wait; dates, which registries do not send, are not read."""
    return float(value) if re.fullmatch(r"[0-9]{1,9}", value) else None
