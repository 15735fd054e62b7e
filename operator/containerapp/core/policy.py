"""What the platform team has set, as far as it decides what an object becomes. Pure.

Made from the settings by the manager; read by the controllers through their view.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from containerapp.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What no app may ask for. A pattern is a whole name, or ends with `*`."""

    security: frozenset[str] = frozenset()
    service_types: frozenset[str] = frozenset()
    service_annotations: tuple[str, ...] = ()
    pod_annotations: tuple[str, ...] = ()
    service_accounts: tuple[str, ...] = ()

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Return the policy that the settings describe."""
        return cls(
            security=frozenset(settings.forbidden_security),
            service_types=frozenset(settings.forbidden_service_types),
            service_annotations=settings.forbidden_service_annotations,
            pod_annotations=settings.forbidden_pod_annotations,
            service_accounts=settings.forbidden_service_accounts,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """The settings of the platform team."""

    default_registry: str = "docker.io"
    adoption: tuple[str, ...] = ()
    """Patterns of the namespaces in which objects that no controller owns may be adopted."""
    policy: Policy = Policy()

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Return what the settings say."""
        return cls(
            default_registry=settings.default_registry,
            adoption=settings.adoption_namespaces,
            policy=Policy.of(settings),
        )
