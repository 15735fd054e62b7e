"""A test's part of the world: its namespace, the operator that serves it, the registry that the operator asks.

Every controller test gets one by fixture. It applies, looks and waits; failures tell the app's status and the end of
the operator's log, so that a red test can be understood from its output alone.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import yaml

from devcluster import Cluster
from tests.controller.api import Api, Manifest
from tests.controller.audit import Audit
from tests.controller.operators import Operator, eventually
from tests.controller.registry import Registry
from tests.expectations import conditions

TIMEOUT = 60.0

_REST = 0.7
"""Seconds without a reconcile after which none is to come: more than lie between two of one app."""


@dataclass(kw_only=True)
class World:
    """What a test acts on."""

    cluster: Cluster
    api: Api
    namespace: str
    operator: Operator
    registry: Registry
    audit: Audit

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """Run kubectl in the test's namespace."""
        return self.cluster.kubectl(f"--namespace={self.namespace}", *arguments, stdin=stdin)

    def app(self, name: str, annotations: dict[str, str] | None = None, **spec: object) -> Manifest:
        """Return the manifest of an app; one image serves whoever names none."""
        metadata: Manifest = {"name": name, "namespace": self.namespace}
        if annotations:
            metadata["annotations"] = annotations
        return {
            "apiVersion": "containerapp.dev/v1alpha1",
            "kind": "ContainerApp",
            "metadata": metadata,
            "spec": {"image": "shop:1.0", **spec},
        }

    def apply(self, name: str, annotations: dict[str, str] | None = None, **spec: object) -> Manifest:
        """Apply an app."""
        return self.api.apply(self.app(name, annotations, **spec))

    def run(self, name: str, **spec: Any) -> Manifest:
        """Apply an app and wait until it is Ready."""
        self.apply(name, **spec)
        return self.await_ready(name)

    def find(self, kind: str, name: str) -> Manifest | None:
        """Return an object of the namespace, or None."""
        return self.api.find(kind, self.namespace, name)

    def get(self, kind: str, name: str) -> Manifest:
        """Return an object of the namespace."""
        return self.api.get(kind, self.namespace, name)

    def patch(self, kind: str, name: str, change: object) -> Manifest:
        """Change an object of the namespace by a merge patch or a JSON patch."""
        return self.api.patch(kind, self.namespace, name, change)

    def delete(self, kind: str, name: str) -> None:
        """Delete an object of the namespace."""
        self.api.delete(kind, self.namespace, name)

    def await_ready(self, name: str, timeout: float = TIMEOUT) -> Manifest:
        """Wait until the status says Ready of the newest generation; return the app."""
        self.until(f"{name} is Ready", lambda: self._is_ready(name), names=[name], timeout=timeout)
        return self.get("ContainerApp", name)

    def await_all_ready(self, names: Iterable[str], timeout: float = TIMEOUT) -> None:
        """Wait until all of them are Ready."""
        for name in list(names):
            self.await_ready(name, timeout)

    def await_condition(
        self, name: str, kind: str, status: str, reason: str, timeout: float = TIMEOUT
    ) -> Manifest:
        """Wait for a condition of the newest generation; return it."""

        def holds() -> bool:
            found = self.conditions(name).get(kind, {})
            return (found.get("status"), found.get("reason")) == (status, reason)

        self.until(f"{name} is {kind}={status} by {reason}", holds, names=[name], timeout=timeout)
        return self.conditions(name)[kind]

    def conditions(self, name: str) -> dict[str, Manifest]:
        """Return the app's conditions by type; none while they speak of an older generation."""
        app = self.get("ContainerApp", name)
        status = app.get("status", {})
        if status.get("observedGeneration") != app["metadata"]["generation"]:
            return {}
        return conditions(status)

    def image(self, name: str) -> str:
        """Return what the app's Deployment runs."""
        template = self.get("Deployment", name)["spec"]["template"]
        (image,) = [c["image"] for c in template["spec"]["containers"] if c["name"] == "app"]
        return str(image)

    def events(self, name: str) -> list[Manifest]:
        """Return the events about an app."""
        listed = self.api.list("Event", self.namespace)
        about = ("ContainerApp", name)
        return [
            event
            for event in listed
            if (event["involvedObject"]["kind"], event["involvedObject"]["name"]) == about
        ]

    def until(
        self,
        description: str,
        condition: Callable[[], object],
        *,
        names: Iterable[str] = (),
        timeout: float = TIMEOUT,
    ) -> None:
        """Wait; a failure tells the status of the named apps and the operator's last lines."""
        eventually(description, condition, timeout=timeout, details=lambda: self.report(names))

    def report(self, names: Iterable[str]) -> str:
        """Say how things stand."""
        found = [(name, self.find("ContainerApp", name)) for name in names]
        stated = {name: (app or {}).get("status", "no such app or no status") for name, app in found}
        return f"{yaml.safe_dump(stated)}\n{self.operator.tail()}"

    def settle(self) -> None:
        """Wait until all that the operator was told of before is dealt with, and it rests.

        An app of another namespace that is applied now is seen after everything before; then nothing is reconciled
        for longer than an app that was looked at a moment ago has to wait for its next look.
        """
        name = f"marker-{secrets.token_hex(4)}"
        self.api.apply(self.app(name) | {"metadata": {"name": name, "namespace": "default"}})
        self.until("the marker is seen", lambda: self.api.find("Deployment", "default", name))
        self.api.delete("ContainerApp", "default", name)
        self.until("the operator rests", self._rests)

    def _rests(self) -> bool:
        before = self.operator.metric("containerapp_reconciles_total")
        time.sleep(_REST)
        idle = self.operator.metric("containerapp_queue_depth") == 0
        return idle and self.operator.metric("containerapp_reconciles_total") == before

    def _is_ready(self, name: str) -> bool:
        return self.conditions(name).get("Ready", {}).get("status") == "True"


def dumped(manifest: Manifest) -> str:
    """Return the manifest as kubectl reads it from its standard input."""
    return json.dumps(manifest)
