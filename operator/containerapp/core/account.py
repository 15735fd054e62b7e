"""What an AWS account has: certificates, quotas, Fargate profiles. Plain values, asked by the engine. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Final, Self

from containerapp.errors import ContainerAppError

LOAD_BALANCERS: Final = frozenset({"load balancers"})
FARGATE: Final = frozenset({"fargate"})
"""What can be asked for: certificates and quotas; the Fargate profiles of the cluster."""


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
class FargateProfile:
    """A Fargate profile; each of its `selectors` is a pattern of namespaces, with `*` and `?`, and labels."""

    name: str
    status: str
    selectors: tuple[tuple[str, Mapping[str, str]], ...]

    @classmethod
    def of(cls, answer: Mapping[str, Any]) -> Self:
        """Return what EKS describes."""
        selectors = tuple(
            (each.get("namespace", ""), each.get("labels", {})) for each in answer.get("selectors", ())
        )
        return cls(name=answer["fargateProfileName"], status=answer["status"], selectors=selectors)

    def labels_of(self, namespace: str) -> list[Mapping[str, str]]:
        """Return the labels that each selector asks for which is about a namespace."""
        return [labels for pattern, labels in self.selectors if fnmatchcase(namespace, pattern)]

    def selects(self, namespace: str, labels: Mapping[str, str]) -> bool:
        """Whether it is for a Pod with these labels."""
        return any(wanted.items() <= labels.items() for wanted in self.labels_of(namespace))


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What was answered: quotas by their names. None: it was not, and `errors` say why. `pending`: not asked yet.

    `profiles_error` says why AWS does not say the Fargate profiles that were asked for.
    """

    limits: Mapping[str, int] | None = None
    certificates: tuple[Certificate, ...] | None = None
    profiles: tuple[FargateProfile, ...] | None = None
    profiles_error: ContainerAppError | None = field(default=None, compare=False)
    errors: tuple[ContainerAppError, ...] = field(default=(), compare=False)
    pending: bool = False
