"""Which registries may be asked, and how: what a platform team has set about them.

Made by the manager from the settings; asked by the resolver and by the OCI client. A pattern is a registry's host with
its port, where it has one, and an optional path: `ghcr.io/acme/*`; `*` stands for any characters but `/` in the host.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

from containerapp.api.images import DOCKER_HUB, ECR_PUBLIC_HOSTS, ImageReference
from containerapp.errors import Blocked

_ANY: Final = "*"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The platform team's word on registries.

    `allowed`: the only ones that are asked; none means any. `private`: those that may have addresses in private
    networks or on loopback. `insecure`: those that are asked by HTTP without TLS; private, too. `by_tag`: those that
    are never asked: their images run by tag. `default`: the registry of short names, which is named by being that.
    """

    allowed: tuple[str, ...] = ()
    private: tuple[str, ...] = ()
    insecure: tuple[str, ...] = ()
    by_tag: tuple[str, ...] = ()
    default: str = DOCKER_HUB

    def refusal(self, reference: ImageReference) -> Blocked | None:
        """Return why the registry of `reference` is not asked; None where it may be."""
        if not self.allowed or _matches(reference, (*self.allowed, *self.private, *self.insecure)):
            return None
        return Blocked(
            "RegistryNotAllowed",
            f"The operator does not look up images in {reference.name}: the platform team has not listed it in "
            "`allowedRegistries`. Take the image from a registry that is listed, give its digest "
            "(`name@sha256:...`), or have the registry added.",
        )

    def runs_by_tag(self, reference: ImageReference) -> bool:
        """Whether the tags of the registry are left as they are."""
        return _matches(reference, self.by_tag)

    def may_be_private(self, host: str) -> bool:
        """Whether a host, with its port where that is not the scheme's, may be in a private network or on loopback."""
        return _matches_host(host, (self.default, *self.private, *self.insecure))

    def is_insecure(self, host: str) -> bool:
        """Whether a host is asked without TLS."""
        return _matches_host(host, self.insecure)

    def is_listed(self, host: str) -> bool:
        """Whether the platform team has named a registry."""
        listed = (self.default, *self.allowed, *self.private, *self.insecure)
        return _matches_host(host, (pattern for pattern in listed if pattern.partition("/")[0] != _ANY))

    def is_known(self, host: str) -> bool:
        """Whether the platform team, or everybody, knows a registry, so that an app may read why it does not answer."""
        return host in {DOCKER_HUB, *ECR_PUBLIC_HOSTS} or self.is_listed(host)


def _matches(reference: ImageReference, patterns: Iterable[str]) -> bool:
    for pattern in patterns:
        host, slash, path = pattern.partition("/")
        if _fits(reference.registry, host) and (not slash or _fits(reference.repository, path)):
            return True
    return False


def _matches_host(host: str, patterns: Iterable[str]) -> bool:
    return any(_fits(host, pattern.partition("/")[0]) for pattern in patterns)


def _fits(text: str, pattern: str) -> bool:
    """Whether the pattern, in which brackets are those of an IPv6 address, describes the whole text."""
    return fnmatchcase(_bare(text), _bare(pattern).lower().replace("[", "[[]"))


def _bare(host: str) -> str:
    """Return a host without the port that its scheme implies."""
    return host.removesuffix(":443").removesuffix(":80")
