"""What the `secrets` of a Pod's containers become: Kubernetes Secrets, and the variables that read their keys.

Called for the template and by the children of both backends, which fill the Secrets. A Secret is named by a hash of
what it holds, so no later edit takes a key away from the Pods of a revision. No value is known here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import orjson

from containerapp.api.process import Process
from containerapp.api.secrets import Secret, Source
from containerapp.controllers.pods.template import CONTAINER
from containerapp.controllers.pods.workload import Workload
from containerapp.core.model import Manifest

VERSION_ANNOTATION = "containerapp.dev/secrets-version"
"""On Pods: which versions of their Secrets they were started for."""
_MOUNT = "/var/run/secrets/containerapp.dev"
_HASH = 10

Service = Literal["secrets-manager", "parameter-store"]
"""The service of AWS that keeps a value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One variable of one container, and its key in the Secret."""

    container: str
    variable: str
    value_from: str
    source: Source

    @property
    def key(self) -> str:
        """The app's own variables keep their names."""
        return self.variable if self.container == CONTAINER else f"{self.container}.{self.variable}"

    @property
    def service(self) -> Service:
        """The service that keeps the value."""
        return "secrets-manager" if isinstance(self.source, Secret) else "parameter-store"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """What an app takes from one service: one Secret."""

    app: str
    service: Service
    entries: tuple[Entry, ...]

    @property
    def name(self) -> str:
        """Name of the Secret, and of the object that fills it."""
        held = sorted([entry.key, entry.value_from] for entry in self.entries)
        return f"{self.app}-{self.service}-{hashlib.sha256(orjson.dumps(held)).hexdigest()[:_HASH]}"


def processes(app: Workload) -> Iterator[tuple[str, Process]]:
    """Yield what runs in each container of the app, with the container's name; the app itself comes first."""
    yield CONTAINER, app.spec
    for each in (*app.spec.sidecars, *app.spec.init_containers):
        yield each.name, each


def entries(app: Workload) -> Iterator[Entry]:
    """Yield the secrets of all containers of the app."""
    for container, process in processes(app):
        for each in process.secrets:
            yield Entry(
                container=container, variable=each.name, value_from=each.value_from, source=each.source
            )


def bundles(app: Workload) -> tuple[Bundle, ...]:
    """Return what is fetched for the app, at most one bundle for each service."""
    found: dict[Service, list[Entry]] = {}
    for entry in entries(app):
        found.setdefault(entry.service, []).append(entry)
    return tuple(
        Bundle(app=app.metadata.name, service=service, entries=tuple(items))
        for service, items in sorted(found.items())
    )


def with_secrets(template: Manifest, app: Workload, *, version: str, mounted: bool) -> Manifest:
    """Return the Pod template with the variables of `secrets`; `mounted`: the CSI driver fills the Secrets.

    The driver does so while a Pod mounts its volume, hence the mount. A new `version` makes a new revision.
    """
    found = bundles(app)
    if not found:
        return template
    metadata, spec = template["metadata"], template["spec"]
    return {
        **template,
        "metadata": {**metadata, **_annotations(metadata, version)},
        "spec": {
            **spec,
            **{
                key: [_container(each, found, mounted=mounted) for each in spec[key]]
                for key in ("initContainers", "containers")
                if key in spec
            },
            **({"volumes": [*spec.get("volumes", []), *map(_volume, found)]} if mounted else {}),
        },
    }


def _annotations(metadata: Manifest, version: str) -> Manifest:
    return (
        {"annotations": {**metadata.get("annotations", {}), VERSION_ANNOTATION: version}} if version else {}
    )


def _container(container: Manifest, found: tuple[Bundle, ...], *, mounted: bool) -> Manifest:
    variables = [
        _variable(entry, bundle)
        for bundle in found
        for entry in bundle.entries
        if entry.container == container["name"]
    ]
    mounts = [_mount(bundle) for bundle in found] if mounted and container["name"] == CONTAINER else []
    return {
        **container,
        **({"env": [*container.get("env", []), *variables]} if variables else {}),
        **({"volumeMounts": [*container.get("volumeMounts", []), *mounts]} if mounts else {}),
    }


def _variable(entry: Entry, bundle: Bundle) -> Manifest:
    return {
        "name": entry.variable,
        "valueFrom": {"secretKeyRef": {"name": bundle.name, "key": entry.key}},
    }


def _volume(bundle: Bundle) -> Manifest:
    return {
        "name": f"containerapp-{bundle.service}",
        "csi": {
            "driver": "secrets-store.csi.k8s.io",
            "readOnly": True,
            "volumeAttributes": {"secretProviderClass": bundle.name},
        },
    }


def _mount(bundle: Bundle) -> Manifest:
    return {
        "name": f"containerapp-{bundle.service}",
        "mountPath": f"{_MOUNT}/{bundle.service}",
        "readOnly": True,
    }
