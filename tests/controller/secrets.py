"""What fetches secrets, as far as a test plays it: the kinds come and go, and the test fills the Secrets itself.

An ExternalSecret gets the status and the Secret that its controller would write (version 0.16.2, watched at work).
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import yaml

from devcluster import Cluster
from tests.controller.api import Api, Manifest
from tests.controller.world import World
from tests.definitions import define

_TESTS = Path(__file__).parents[1]
EXTERNAL_SECRETS = _TESTS / "vendored" / "externalsecrets.yaml"
CSI_DRIVER = _TESTS / "stubs" / "secretproviderclasses.yaml"


@contextmanager
def installed(cluster: Cluster, api: Api, *definitions: str) -> Iterator[None]:
    """Have kinds on the cluster while inside."""
    for definition in definitions:
        define(cluster, definition)
    try:
        yield
    finally:
        for definition in definitions:
            api.delete("CustomResourceDefinition", None, yaml.safe_load(definition)["metadata"]["name"])


def external_secrets(world: World, app: str) -> list[Manifest]:
    """Return the ExternalSecrets of an app."""
    return world.api.list("ExternalSecret", world.namespace, f"containerapp.dev/app={app}")


def await_external_secret(world: World, app: str, *, other_than: str = "") -> Manifest:
    """Wait for the one ExternalSecret of an app, or for the one that follows another; return it."""

    def found() -> list[Manifest]:
        return [each for each in external_secrets(world, app) if each["metadata"]["name"] != other_than]

    world.until(f"{app} has an ExternalSecret", found, names=[app])
    return found()[0]


def fetch(world: World, source: Manifest, values: Mapping[str, str]) -> None:
    """Write what External Secrets would: the Secret, then the status of the ExternalSecret."""
    metadata, target = source["metadata"], source["spec"]["target"]
    assert {entry["secretKey"] for entry in source["spec"]["data"]} == set(values)
    data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
    owner = {"kind": source["kind"], "name": metadata["name"], "uid": metadata["uid"], "controller": True}
    world.api.apply(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": metadata["name"],
                "namespace": world.namespace,
                "labels": target["template"]["metadata"]["labels"],
                "annotations": {
                    "reconcile.external-secrets.io/data-hash": hashlib.sha256(str(data).encode()).hexdigest()
                },
                "ownerReferences": [{"apiVersion": source["apiVersion"], **owner}],
            },
            "data": data,
        }
    )
    _report(world, source, "True", "SecretSynced", refreshTime="2026-01-01T00:00:00Z")


def fail(world: World, source: Manifest, message: str) -> None:
    """Write what External Secrets would where it cannot fetch: the Event with the cause, then the status."""
    world.api.create(
        {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"generateName": "failed-", "namespace": world.namespace},
            "involvedObject": {
                "apiVersion": source["apiVersion"],
                "kind": source["kind"],
                "name": source["metadata"]["name"],
                "namespace": world.namespace,
                "uid": source["metadata"]["uid"],
            },
            "type": "Warning",
            "reason": "UpdateFailed",
            "message": message,
            "source": {"component": "external-secrets"},
        }
    )
    _report(world, source, "False", "SecretSyncedError")


def _report(world: World, source: Manifest, status: str, reason: str, **more: str) -> None:
    condition = {
        "type": "Ready",
        "status": status,
        "reason": reason,
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    change = {"status": {"conditions": [condition], **more}}
    world.api.patch("ExternalSecret", world.namespace, source["metadata"]["name"], change, "status")
