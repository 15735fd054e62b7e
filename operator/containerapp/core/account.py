"""What an AWS account has for load balancers: certificates and quotas. Plain values, asked by the engine. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from containerapp.errors import ContainerAppError


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """An issued certificate and the domain names that it is for."""

    arn: str
    domains: tuple[str, ...]

    def covers(self, host: str) -> bool:
        """Whether it is for a host: by its name, or by a wildcard in the place of the first label."""
        wildcard = f"*.{host.partition('.')[2]}"
        return any(domain.lower() in {host.lower(), wildcard.lower()} for domain in self.domains)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What was answered: quotas by their names. None: it was not, and `errors` say why. `pending`: not asked yet."""

    limits: Mapping[str, int] | None = None
    certificates: tuple[Certificate, ...] | None = None
    errors: tuple[ContainerAppError, ...] = field(default=(), compare=False)
    pending: bool = False
