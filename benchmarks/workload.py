"""What is asked for: N ContainerApps of an ordinary web service, and the paths they and their children live at."""

from __future__ import annotations

import hashlib

from benchmarks.api import Json

NAMESPACE = "bench"
APPS = f"/apis/containerapp.dev/v1alpha1/namespaces/{NAMESPACE}/containerapps"
DEPLOYMENTS = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments"
SERVICES = f"/api/v1/namespaces/{NAMESPACE}/services"
ACCOUNTS = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts"
COLLECTIONS = {"Deployment": DEPLOYMENTS, "Service": SERVICES, "ServiceAccount": ACCOUNTS}


def names_of(prefix: str, count: int) -> list[str]:
    """Return the names of a run's apps; every run has a prefix of its own, lest it meet what the last one left."""
    return [f"{prefix}-{number:05d}" for number in range(count)]


def image(version: str) -> str:
    """Return an image by digest: which registry answers how fast is not what is measured here."""
    digest = hashlib.sha256(version.encode()).hexdigest()
    return f"123456789012.dkr.ecr.us-east-1.amazonaws.com/shop@sha256:{digest}"


def app(name: str, version: str) -> Json:
    """Return a ContainerApp as a team writes it: image, port, two variables, probes and sizes."""
    return {
        "apiVersion": "containerapp.dev/v1alpha1",
        "kind": "ContainerApp",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "image": image(version),
            "port": 8080,
            "env": [{"name": "LOG_LEVEL", "value": "info"}, {"name": "REGION", "value": "us-east-1"}],
            "readinessProbe": {"httpGet": {"path": "/healthz"}},
            "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}},
        },
    }
