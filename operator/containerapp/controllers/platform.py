"""What the platform forbids its tenants: relaxations of `security`, service types, annotations, service accounts.

Asked by the reconcile right after an app is parsed, whatever has let the app in. The chart's ValidatingAdmissionPolicy
(templates/admissionpolicy.yaml) says the same to `kubectl apply`; a test on a real API server compares the two. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from containerapp.api.containerapp import ContainerApp, Security
from containerapp.core.policy import Policy
from containerapp.errors import InvalidSpec

_ANY = "*"

_RELAXATIONS: dict[str, tuple[str, Callable[[Security], bool]]] = {
    "privileged": ("spec.security.privileged true", lambda security: security.privileged),
    "allowPrivilegeEscalation": (
        "spec.security.allowPrivilegeEscalation true",
        lambda security: security.allow_privilege_escalation,
    ),
    "runAsRoot": ("spec.security.runAsNonRoot false", lambda security: not security.run_as_non_root),
    "capabilities": (
        "spec.security.capabilities other than drop ALL and add NET_BIND_SERVICE",
        lambda security: (
            "ALL" not in security.capabilities.drop
            or any(name != "NET_BIND_SERVICE" for name in security.capabilities.add)
        ),
    ),
    "seccompUnconfined": (
        "spec.security.seccompProfile.type Unconfined",
        lambda security: security.seccomp_profile.type == "Unconfined",
    ),
    "seccompLocalhost": (
        "spec.security.seccompProfile.type Localhost",
        lambda security: security.seccomp_profile.type == "Localhost",
    ),
}
"""By the word of the setting: what an app asks for, in the words of its manifest, and whether it does."""


def check(app: ContainerApp, policy: Policy) -> InvalidSpec | None:
    """Return what to edit where the app asks for something that the platform forbids."""
    found = list(_violations(app, policy))
    if not found:
        return None
    return InvalidSpec(
        "ForbiddenByPlatform",
        f"The platform forbids {'; '.join(found)}: remove it from the manifest, or ask the platform team to allow it",
    )


def _violations(app: ContainerApp, policy: Policy) -> Iterator[str]:
    spec = app.spec
    for word, (asked, holds) in _RELAXATIONS.items():
        if word in policy.security and holds(spec.security):
            yield asked
    if spec.service.type in policy.service_types:
        yield f"spec.service.type {spec.service.type}"
    for annotation in _matching(spec.service.annotations, policy.service_annotations):
        yield f"spec.service.annotations {annotation}"
    for annotation in _matching(spec.pod_annotations, policy.pod_annotations):
        yield f"spec.podAnnotations {annotation}"
    yield from _forbidden_account(app, policy.service_accounts)


def _forbidden_account(app: ContainerApp, patterns: tuple[str, ...]) -> Iterator[str]:
    """Yield the account that the app names; or its own, which has the app's name, and may be another's by adoption.

    The pattern `*` forbids to name one at all, and no app's own.
    """
    if (named := app.spec.service_account_name) is not None:
        yield from (f"spec.serviceAccountName {name}" for name in _matching([named], patterns))
        return
    some = tuple(pattern for pattern in patterns if pattern != _ANY)
    for name in _matching([app.metadata.name], some):
        yield f"metadata.name {name}, which is the name of its service account too"


def _matching(names: Iterable[str], patterns: tuple[str, ...]) -> list[str]:
    return sorted(name for name in names if any(_matches(name, pattern) for pattern in patterns))


def _matches(name: str, pattern: str) -> bool:
    prefix = pattern.removesuffix(_ANY)
    return name == pattern if prefix == pattern else name.startswith(prefix)
