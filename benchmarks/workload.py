"""What is asked for: N ContainerApps of an ordinary web service, and the paths they and their children live at."""

from __future__ import annotations

import hashlib

from benchmarks.api import Json

_APPS_PER_NAMESPACE = 500
"""Kubernetes' own controllers look through all Pods of a namespace for each Deployment and each Service: at thousands
in one namespace they take most of the machine, and the bench would measure them."""

_PREFIXES = {
    "ContainerApp": ("/apis/containerapp.dev/v1alpha1", "containerapps"),
    "ControllerRevision": ("/apis/apps/v1", "controllerrevisions"),
    "Deployment": ("/apis/apps/v1", "deployments"),
    "Service": ("/api/v1", "services"),
    "ReplicaSet": ("/apis/apps/v1", "replicasets"),
    "Pod": ("/api/v1", "pods"),
    "ServiceAccount": ("/api/v1", "serviceaccounts"),
}


def namespaces_of(count: int) -> list[str]:
    """Return the namespaces that `count` apps are in."""
    return [f"bench-{number}" for number in range(-(-count // _APPS_PER_NAMESPACE))]


def namespace_of(name: str) -> str:
    """Return the namespace of an app, which its number says."""
    return f"bench-{int(name.rpartition('-')[2]) // _APPS_PER_NAMESPACE}"


def everywhere(kind: str) -> str:
    """Return the path of all objects of a kind."""
    group, plural = _PREFIXES[kind]
    return f"{group}/{plural}"


def collection(kind: str, name: str) -> str:
    """Return the path of the objects of a kind in the namespace of the app `name`."""
    group, plural = _PREFIXES[kind]
    return f"{group}/namespaces/{namespace_of(name)}/{plural}"


def path(kind: str, name: str) -> str:
    """Return the path of the object of a kind with its app's name."""
    return f"{collection(kind, name)}/{name}"


def names_of(prefix: str, count: int) -> list[str]:
    """Return the names of a run's apps; with a prefix of its run, so that runs do not meet."""
    return [f"{prefix}-{number:05d}" for number in range(count)]


def image(version: str) -> str:
    """Return an image by digest: no registry is part of the measurement."""
    digest = hashlib.sha256(version.encode()).hexdigest()
    return f"123456789012.dkr.ecr.us-east-1.amazonaws.com/shop@sha256:{digest}"


def app(name: str, version: str) -> Json:
    """Return a ContainerApp as a team writes it: image, port, two variables, probes and sizes."""
    return {
        "apiVersion": "containerapp.dev/v1alpha1",
        "kind": "ContainerApp",
        "metadata": {"name": name, "namespace": namespace_of(name)},
        "spec": {
            "image": image(version),
            "port": 8080,
            "env": [{"name": "LOG_LEVEL", "value": "info"}, {"name": "REGION", "value": "us-east-1"}],
            "readinessProbe": {"httpGet": {"path": "/healthz"}},
            "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}},
        },
    }
