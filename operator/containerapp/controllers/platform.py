"""What the platform forbids its tenants: relaxations of `security`, service types, annotations, accounts, node paths.

Asked by the reconcile right after an app is parsed, whatever has let the app in. The chart's ValidatingAdmissionPolicy
(templates/admissionpolicy.yaml) says the same to `kubectl apply`; a test on a real API server compares the two. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from containerapp.api.containerapp import ContainerApp
from containerapp.api.ports import Service
from containerapp.api.security import ContainerSecurity, Security
from containerapp.controllers.pods.workload import Workload
from containerapp.core.policy import Policy
from containerapp.errors import InvalidSpec

_ANY = "*"

_RELAXATIONS: dict[str, tuple[str, Callable[[Security | ContainerSecurity], bool]]] = {
    "privileged": ("security.privileged true", lambda security: security.privileged),
    "allowPrivilegeEscalation": (
        "security.allowPrivilegeEscalation true",
        lambda security: security.allow_privilege_escalation,
    ),
    "runAsRoot": ("security.runAsNonRoot false", lambda security: security.run_as_non_root is False),
    "capabilities": (
        "security.capabilities other than drop ALL and add NET_BIND_SERVICE",
        lambda security: (
            "ALL" not in security.capabilities.drop
            or any(name != "NET_BIND_SERVICE" for name in security.capabilities.add)
        ),
    ),
    "seccompUnconfined": (
        "security.seccompProfile.type Unconfined",
        lambda security: _filter(security) == "Unconfined",
    ),
    "seccompLocalhost": (
        "security.seccompProfile.type Localhost",
        lambda security: _filter(security) == "Localhost",
    ),
}
"""By the word of the setting: what an app asks for, in the words of its manifest, and whether it does."""


def check(app: Workload, policy: Policy) -> InvalidSpec | None:
    """Return what to edit where the app asks for something that the platform forbids."""
    found = list(_violations(app, policy))
    if not found:
        return None
    return InvalidSpec(
        "ForbiddenByPlatform",
        f"The platform forbids {'; '.join(found)}: remove it from the manifest, or ask the platform team to allow it",
    )


def _violations(app: Workload, policy: Policy) -> Iterator[str]:
    spec = app.spec
    for word, (asked, holds) in _RELAXATIONS.items():
        if word not in policy.security:
            continue
        if holds(spec.security):
            yield f"spec.{asked}"
        for each in (*spec.sidecars, *spec.init_containers):
            if holds(each.security):
                yield f"{asked} of the container {each.name}"
    if isinstance(app, ContainerApp):
        yield from _forbidden_service(app.spec.service, policy)
        yield from _forbidden_overrides(app, policy.overrides)
        yield from _forbidden_exposure(app, policy)
    for annotation in matching(spec.pod_annotations, policy.pod_annotations):
        yield f"spec.podAnnotations {annotation}"
    yield from _forbidden_account(app, policy.service_accounts)
    paths = [volume.host_path.path for volume in spec.volumes if volume.host_path]
    allowed = matching(paths, policy.host_paths)
    yield from (f"spec.volumes hostPath {path}" for path in paths if path not in allowed)


def _forbidden_service(service: Service, policy: Policy) -> Iterator[str]:
    if service.type in policy.service_types:
        yield f"spec.service.type {service.type}"
    for annotation in matching(service.annotations, policy.service_annotations):
        yield f"spec.service.annotations {annotation}"


def _forbidden_exposure(app: ContainerApp, policy: Policy) -> Iterator[str]:
    """Yield what `expose` asks for that `service` may not: a load balancer of its own, annotations."""
    if (expose := app.spec.expose) is None:
        return
    if expose.via == "nlb" and "LoadBalancer" in policy.service_types:
        yield "spec.expose.via nlb"
    for annotation in matching(expose.annotations, policy.service_annotations):
        yield f"spec.expose.annotations {annotation}"


def _filter(security: Security | ContainerSecurity) -> str | None:
    return security.seccomp_profile.type if security.seccomp_profile else None


def _forbidden_overrides(app: ContainerApp, kinds: tuple[str, ...]) -> Iterator[str]:
    for override in app.spec.overrides:
        if override.kind in kinds or _ANY in kinds:
            yield f"spec.overrides of kind {override.kind}"


def _forbidden_account(app: Workload, patterns: tuple[str, ...]) -> Iterator[str]:
    """Yield the account that the app names; or its own, which has the app's name, and may be another's by adoption.

    The pattern `*` forbids to name one at all, and no app's own.
    """
    if (named := app.spec.service_account_name) is not None:
        yield from (f"spec.serviceAccountName {name}" for name in matching([named], patterns))
        return
    some = tuple(pattern for pattern in patterns if pattern != _ANY)
    for name in matching([app.metadata.name], some):
        yield f"metadata.name {name}, which is the name of its service account too"


def matching(names: Iterable[str], patterns: tuple[str, ...]) -> list[str]:
    """Return the names that one of the patterns stands for."""
    return sorted(name for name in names if any(_matches(name, pattern) for pattern in patterns))


def _matches(name: str, pattern: str) -> bool:
    prefix = pattern.removesuffix(_ANY)
    return name == pattern if prefix == pattern else name.startswith(prefix)
