"""The process under test: the operator under the chart's ServiceAccount, or the floor in its place.

Reads what the process costs: CPU seconds and memory from /proc, requests from the API server's audit log.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from devcluster import Cluster, CommandError

ROOT = Path(__file__).parents[1]
_NAMESPACE, _RELEASE = "containerapp-system", "containerapp-operator"
_START_SECONDS = 120.0
_STOP_SECONDS = 60.0
_REFUSED = 300
_TICKS = os.sysconf("SC_CLK_TCK")

Requests = Counter[tuple[str, str]]
"""How often each (verb, resource) was asked for, watches left out."""


@dataclass(kw_only=True)
class Subject:
    """A running process, and its user in the audit log."""

    process: subprocess.Popen[bytes]
    user: str
    audit_log: Path
    began_at: int
    """Where the audit log ended when the process was started."""
    port: int | None = None
    """Where its metrics are."""

    def cpu(self) -> float:
        """CPU seconds so far, user and system."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def peak_rss(self) -> float:
        """Peak resident memory so far, in MB."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
        raise RuntimeError("the process is gone")

    def reconciles(self) -> int:
        """Reconciles so far; none where there are no metrics."""
        if self.port is None:
            return 0
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=30) as page:
            families = text_string_to_metric_families(page.read().decode())
        samples = (sample for family in families for sample in family.samples)
        return int(sum(sample.value for sample in samples if sample.name == "containerapp_reconciles_total"))

    def position(self) -> int:
        """Return where the audit log ends now."""
        return self.audit_log.stat().st_size

    def requests(self, since: int) -> Requests:
        """Count this user's requests in the audit log from `since` on."""
        counted: Requests = Counter()
        for event in self._answered(since):
            if event["user"]["username"] == self.user:
                resource = _resource(event) or event["requestURI"].split("?")[0]
                counted[event["verb"], resource] += 1
        return Counter({key: number for key, number in counted.items() if key[0] != "watch"})

    def repairs(self, since: int, user: str) -> list[float]:
        """Return the sorted seconds, by the API server's clock, from each change by `user` to this process' repair."""
        changed: dict[tuple[str, str], float] = {}
        repaired: dict[tuple[str, str], float] = {}
        for event in self._answered(since):
            resource = _resource(event)
            if event["verb"] not in {"patch", "delete"} or resource not in {"deployments", "services"}:
                continue
            if event["responseStatus"]["code"] >= _REFUSED:
                continue
            thing = resource, event["objectRef"]["name"]
            answered = datetime.fromisoformat(event["stageTimestamp"]).timestamp()
            if event["user"]["username"] == user:
                changed[thing] = answered
            elif event["user"]["username"] == self.user:
                repaired.setdefault(thing, answered)
        return sorted(repaired[thing] - changed[thing] for thing in changed)

    def _answered(self, since: int) -> Iterator[dict[str, Any]]:
        with self.audit_log.open("rb") as log:
            log.seek(since)
            for line in log:
                event: dict[str, Any] = json.loads(line)
                if event["stage"] == "ResponseComplete":
                    yield event

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End the process and wait for it."""
        self.process.send_signal(number)
        self.process.wait(_STOP_SECONDS)


def _resource(event: dict[str, Any]) -> str:
    target = event.get("objectRef", {})
    return "/".join(filter(None, (target.get("resource"), target.get("subresource"))))


def install(cluster: Cluster) -> Path:
    """Install the chart without Pods; return the kubeconfig of its ServiceAccount."""
    chart = ROOT / "charts" / "containerapp-operator"
    cluster.helm(
        "upgrade", "--install", _RELEASE, str(chart), f"--namespace={_NAMESPACE}", "--create-namespace",
        "--set=replicaCount=0", "--set=image.repository=unused",
    )  # fmt: skip
    _await_storage(cluster)
    return cluster.kubeconfig_for_service_account(_NAMESPACE, _RELEASE)


def _chart_environment(cluster: Cluster) -> dict[str, str]:
    """Return what the chart's Deployment gives the operator, except what is known in a Pod only."""
    deployment = json.loads(
        cluster.kubectl("get", "deployment", _RELEASE, f"--namespace={_NAMESPACE}", "--output=json")
    )
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    return {item["name"]: item["value"] for item in container["env"] if "value" in item}


def _await_storage(cluster: Cluster) -> None:
    """Wait until apps can be listed: a definition just made answers 429 and drops connections for a while."""
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            cluster.kubectl("get", "containerapps", "--all-namespaces")
        except CommandError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
        else:
            return


@contextmanager
def operator(cluster: Cluster, kubeconfig: Path, log: Path) -> Iterator[Subject]:
    """Run the operator until left."""
    port = _free_port()
    environment = {
        **os.environ,
        **_chart_environment(cluster),
        "KUBECONFIG": str(kubeconfig),
        "CONTAINERAPP_HTTP_HOST": "127.0.0.1",
        "CONTAINERAPP_HTTP_PORT": str(port),
        "CONTAINERAPP_LEADER_ELECTION": "false",
    }
    command = [sys.executable, "-m", "containerapp", "operator"]
    audit_log = _audit_log(cluster)
    began_at = audit_log.stat().st_size
    with _running(command, environment, log) as process:
        _await_http(f"http://127.0.0.1:{port}/readyz", process)
        user = f"system:serviceaccount:{_NAMESPACE}:{_RELEASE}"
        yield Subject(process=process, user=user, audit_log=audit_log, began_at=began_at, port=port)


@contextmanager
def floor(cluster: Cluster, prefix: str, count: int, version: str, log: Path) -> Iterator[Subject]:
    """Run the floor until left."""
    kubeconfig = cluster.kubeconfig_for_user("floor", groups=["system:masters"])
    command = [sys.executable, "-m", "benchmarks.floor", str(kubeconfig), prefix, str(count), version]
    audit_log = _audit_log(cluster)
    began_at = audit_log.stat().st_size
    with _running(command, dict(os.environ), log) as process:
        deadline = time.monotonic() + _START_SECONDS
        while b"ready" not in log.read_bytes():
            _check(process, deadline, "the floor")
        yield Subject(process=process, user="floor", audit_log=audit_log, began_at=began_at)


@contextmanager
def _running(
    command: Sequence[str], environment: dict[str, str], log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("ab") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=output, cwd=ROOT)
        try:
            yield process
        finally:
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(_STOP_SECONDS)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()


def _await_http(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5):  # noqa: S310 - loopback
                return
        except OSError:
            _check(process, deadline, url)


def _check(process: subprocess.Popen[bytes], deadline: float, what: str) -> None:
    if process.poll() is not None or time.monotonic() > deadline:
        raise RuntimeError(f"{what} did not become ready; see its log")
    time.sleep(0.05)


def _audit_log(cluster: Cluster) -> Path:
    if cluster.audit_log is None:
        raise RuntimeError("the bench needs a cluster with an audit log")
    return cluster.audit_log


def _free_port() -> int:
    import socket  # noqa: PLC0415 - needed here alone

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
