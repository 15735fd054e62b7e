"""Apps on a real node: an operator with the chart's rights, apps by name, requests from inside the node's network."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import devcluster
from devcluster.registry import ECR_HOST, aws_environment
from tests.chart.rendering import Chart
from tests.controller.api import Api
from tests.controller.installation import install
from tests.controller.operators import Operator, eventually
from tests.expectations import conditions


def installed_operator(
    node: devcluster.Cluster, api: Api, directory: Path, *, min_ready_seconds: int, **values: Any
) -> Operator:
    """Start the operator with the chart's rights and settings, and with values of the chart."""
    manifests = Chart(helm=node.binary("helm")).render(defaultRegistry=ECR_HOST, **values)
    assert node.aws_endpoint is not None
    seconds = {"CONTAINERAPP_MIN_READY_SECONDS": str(min_ready_seconds)}
    environment = aws_environment(node.aws_endpoint) | seconds
    identity = install(node, api, manifests)
    return Operator(identity=identity, directory=directory, environment=environment).start()


def _inside(node: devcluster.Cluster) -> str:
    """Return a process of the node, by the number that it has on this machine."""
    for entry in Path("/proc").glob("[0-9]*"):
        command = (entry / "cmdline").read_bytes() if entry.exists() else b""
        if b"kube-proxy" in command.partition(b"\0")[0] and str(node.run_dir).encode() in command:
            return entry.name
    raise AssertionError("kube-proxy does not run")


def within(node: devcluster.Cluster) -> list[str]:
    """Return what runs a command in the node's network."""
    return ["nsenter", f"--net=/proc/{_inside(node)}/ns/net"]


@contextmanager
def load(*target: str, prefix: Sequence[str] = ()) -> Iterator[dict[str, Any]]:
    """Send requests meanwhile, as `load.py` takes its target; afterwards the result is in what it yields."""
    command = [*prefix, sys.executable, str(Path(__file__).with_name("load.py")), *target]
    result: dict[str, Any] = {}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ.copy()) as process:
        try:
            time.sleep(2)
            yield result
        finally:
            process.send_signal(signal.SIGTERM)
            said, _ = process.communicate(timeout=60)
    result |= json.loads(said)


class App:
    """One app on the node."""

    def __init__(self, node: devcluster.Cluster, api: Api, name: str) -> None:
        self.node, self.api, self.name = node, api, name

    def apply(self, **spec: Any) -> None:
        """Write the spec."""
        security = {"runAsUser": 65532}
        whole = {"image": "shop:good", "port": 8080, "replicas": 2, "security": security, **spec}
        manifest = {
            "apiVersion": "containerapp.dev/v1alpha1",
            "kind": "ContainerApp",
            "metadata": {"name": self.name, "namespace": "default"},
            "spec": {key: value for key, value in whole.items() if value is not None},
        }
        self.api.apply(manifest)

    def holds(self, kind: str, status: str, reason: str) -> bool:
        """Whether a condition of the newest generation says so."""
        app = self.api.get("ContainerApp", "default", self.name)
        found = app.get("status", {})
        if found.get("observedGeneration") != app["metadata"]["generation"]:
            return False
        condition = conditions(found).get(kind, {})
        return (condition.get("status"), condition.get("reason")) == (status, reason)

    def message(self, kind: str) -> str:
        """Return what a condition says."""
        status = self.api.get("ContainerApp", "default", self.name)["status"]
        return str(conditions(status)[kind]["message"])

    def await_condition(self, kind: str, status: str, reason: str, seconds: float = 300.0) -> None:
        """Wait for a condition."""
        eventually(
            f"{self.name} is {kind}={status} by {reason}",
            lambda: self.holds(kind, status, reason),
            timeout=seconds,
            details=lambda: json.dumps(self.api.get("ContainerApp", "default", self.name).get("status")),
        )

    @contextmanager
    def under_load(self, rate: float = 50) -> Iterator[dict[str, Any]]:
        """Send requests to its Service meanwhile; afterwards the result is in what it yields."""
        service = self.api.get("Service", "default", self.name)["spec"]
        target = [service["clusterIP"], str(service["ports"][0]["port"]), str(rate)]
        with load(*target, prefix=within(self.node)) as result:
            yield result
