"""What the platform forbids, looked for in a rendered object, whatever has put it there. Pure.

Asked about objects that overrides have changed. `platform` says the same of the fields of an app's own spec, and of an
app without overrides that is enough. What is absent counts as Kubernetes' default.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from containerapp.controllers.platform import matching
from containerapp.core.model import Manifest
from containerapp.core.policy import Policy
from containerapp.core.unchecked import as_map, as_maps

_HOST = ("hostNetwork", "hostPID", "hostIPC")


def violations(manifest: Manifest, policy: Policy) -> Iterator[str]:
    """Yield what the object has and the platform forbids."""
    spec = as_map(manifest.get("spec"))
    if manifest["kind"] == "Service":
        yield from _service_violations(manifest, spec, policy)
    if "template" in spec:
        annotations = as_map(as_map(as_map(spec["template"]).get("metadata")).get("annotations"))
        for name in matching(annotations, policy.pod_annotations):
            yield f"the Pod annotation {name}"
        yield from _pod_violations(pod_of(manifest), policy)


def pod_of(manifest: Manifest) -> Manifest:
    """Return the Pod's spec in the template of a workload."""
    return as_map(as_map(as_map(manifest.get("spec")).get("template")).get("spec"))


def _service_violations(manifest: Manifest, spec: Manifest, policy: Policy) -> Iterator[str]:
    if spec.get("type") in policy.service_types:
        yield f"spec.type {spec['type']}"
    if spec.get("externalIPs") and policy.service_types:
        yield "spec.externalIPs"
    for name in matching(as_map(manifest["metadata"].get("annotations")), policy.service_annotations):
        yield f"the annotation {name}"


def _pod_violations(pod: Manifest, policy: Policy) -> Iterator[str]:
    shared = as_map(pod.get("securityContext"))
    if "privileged" in policy.security:
        yield from (name for name in _HOST if pod.get(name))
    for field in ("initContainers", "containers"):
        for container in as_maps(pod.get(field)):
            security = {**shared, **as_map(container.get("securityContext"))}
            for word, found in _RELAXATIONS.items():
                if word in policy.security and (said := found(security, container)):
                    yield f"{said} in the container {container.get('name')}"


def _privileged(security: Manifest, container: Manifest) -> str:
    if security.get("privileged"):
        return "privileged true"
    if security.get("procMount", "Default") != "Default":
        return f"procMount {security['procMount']}"
    if as_map(security.get("windowsOptions")).get("hostProcess"):
        return "windowsOptions.hostProcess true"
    return "hostPort" if any(port.get("hostPort") for port in as_maps(container.get("ports"))) else ""


def _capabilities(security: Manifest, _container: Manifest) -> str:
    capabilities = as_map(security.get("capabilities"))
    added, dropped = capabilities.get("add") or [], capabilities.get("drop") or []
    allowed = "ALL" in dropped and all(name == "NET_BIND_SERVICE" for name in added)
    return "" if allowed else "capabilities other than drop ALL and add NET_BIND_SERVICE"


def _unconfined(security: Manifest, _container: Manifest) -> str:
    for profile, default in (("seccompProfile", "Unconfined"), ("appArmorProfile", "RuntimeDefault")):
        if as_map(security.get(profile)).get("type", default) == "Unconfined":
            return f"{profile} Unconfined"
    return ""


def _localhost(security: Manifest, _container: Manifest) -> str:
    return (
        "seccompProfile Localhost"
        if as_map(security.get("seccompProfile")).get("type") == "Localhost"
        else ""
    )


_RELAXATIONS: dict[str, Callable[[Manifest, Manifest], str]] = {
    "privileged": _privileged,
    "allowPrivilegeEscalation": lambda security, _: (
        "" if security.get("allowPrivilegeEscalation") is False else "allowPrivilegeEscalation true"
    ),
    "runAsRoot": lambda security, _: "" if security.get("runAsNonRoot") is True else "runAsNonRoot false",
    "capabilities": _capabilities,
    "seccompUnconfined": _unconfined,
    "seccompLocalhost": _localhost,
}
"""By the word of the setting, as in `platform`: what a container has of it, or nothing."""
