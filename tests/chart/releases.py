"""A release of the chart on a real API server, and other versions of the chart to upgrade from and to.

Used by the chart's cluster tests. Everything happens in namespace `ops`; `remove_everything` leaves nothing behind,
however a test has ended.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from devcluster import CommandError
from tests.chart.rendering import CHART, CRD_FILE, CRD_NAME, CRD_NAMES, REQUIRED, ROOT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from devcluster import Cluster

NAMESPACE = "ops"
DELETION_SECONDS = 240.0
"""Until a definition is gone; the API server repeats a cleanup that failed after ever longer pauses."""

APP = {
    "apiVersion": "containerapp.dev/v1alpha1",
    "kind": "ContainerApp",
    "metadata": {"name": "web", "namespace": "default"},
    "spec": {"image": "registry.example/web:1"},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """One name, under which a chart is installed, upgraded and uninstalled."""

    cluster: Cluster
    name: str = "capp"

    def install(self, *arguments: str, chart: Path = CHART) -> str:
        """Install the chart."""
        return self._helm("install", str(chart), "--create-namespace", *REQUIRED, *arguments)

    def upgrade(self, *arguments: str, chart: Path = CHART) -> str:
        """Upgrade to the chart."""
        return self._helm("upgrade", str(chart), *REQUIRED, *arguments)

    def uninstall(self) -> str:
        """Uninstall the release."""
        return self._helm("uninstall", "--wait")

    def remove_everything(self) -> None:
        """Leave the cluster as if nothing had ever been installed."""
        self._helm("uninstall", "--ignore-not-found", "--wait")
        try:
            self.cluster.kubectl("delete", "crd", *CRD_NAMES, "--ignore-not-found", timeout=DELETION_SECONDS)
        except CommandError as error:
            raise AssertionError(f"{error}\n{self._why_crd_stays()}") from error

    def _why_crd_stays(self) -> str:
        """Return what the definition and the API server say of its deletion."""
        log = self.cluster.log("kube-apiserver").read_text(errors="replace").splitlines()
        said = [line for line in log if CRD_NAME in line][-20:]
        crd = self.cluster.kubectl(
            "get", "crd", CRD_NAME, "--ignore-not-found", "--output=jsonpath={.status}"
        )
        return "\n".join([crd, *said])

    def _helm(self, command: str, *arguments: str) -> str:
        return self.cluster.helm(command, self.name, *arguments, f"--namespace={NAMESPACE}")


def apply(cluster: Cluster, manifest: dict[str, Any]) -> None:
    """Create or change an object."""
    cluster.kubectl("apply", "--server-side", "--filename=-", stdin=json.dumps(manifest))


def read(cluster: Cluster, *arguments: str) -> dict[str, Any]:
    """Read an object or a list."""
    return dict(json.loads(cluster.kubectl("get", *arguments, "--output=json")))


def spec_fields(cluster: Cluster) -> set[str]:
    """Return the fields of an app's spec that the cluster knows."""
    crd = read(cluster, "crd", CRD_NAME)
    schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return set(schema["properties"]["spec"]["properties"])


def chart_variant(target: Path, version: str, change: Callable[[dict[str, Any]], None]) -> Path:
    """Write a copy of the chart that has another version and changed fields of the app's spec."""
    shutil.copytree(CHART, target)
    about = target / "Chart.yaml"
    about.write_text(yaml.safe_dump(yaml.safe_load(about.read_text()) | {"version": version}))
    crd_file = target / "files" / "crds" / CRD_FILE
    crd = yaml.safe_load(crd_file.read_text())
    change(crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"])
    crd_file.write_text(yaml.safe_dump(crd, sort_keys=False))
    return target


def previous_chart(target: Path) -> Path:
    """Return the chart of the newest release; before the first one, this chart with a field fewer."""
    if tag := _git("describe", "--tags", "--abbrev=0", "--match=v*").strip():
        archive = _git("archive", tag, "charts/containerapp-operator")
        target.mkdir()
        subprocess.run(["tar", "-x", "-C", str(target)], input=archive.encode(), check=True, timeout=60)
        return target / "charts" / "containerapp-operator"
    return chart_variant(target, "0.0.1", lambda fields: fields.pop("suspend"))


def _git(*arguments: str) -> str:
    """Run git; nothing where there is no repository or no such tag."""
    done = subprocess.run(
        ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    return "" if done.returncode else done.stdout
