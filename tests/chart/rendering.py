"""How the chart tests render the chart: `helm template` in, plain manifests out.

Used by every test in this folder, with and without a cluster. Decides which values a test must give in any case;
it never looks into what it renders.
"""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts" / "containerapp-operator"
CRD_FILE = "containerapp.dev_containerapps.yaml"
CRD_NAME = "containerapps.containerapp.dev"
CRD_NAMES = (CRD_NAME, "containerjobs.containerapp.dev")
FULL_NAME = "capp-containerapp-operator"
"""What the release `capp` calls its objects."""
REQUIRED = ('--set-json=image.repository="registry.example/operator"',)

Manifest = dict[str, Any]


class HelmError(Exception):
    """Helm refused; the message is what it said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """The chart, and the helm that renders it."""

    helm: Path
    path: Path = CHART

    def run(self, *arguments: str) -> str:
        """Run helm and return what it prints."""
        done = subprocess.run(
            [str(self.helm), *arguments], capture_output=True, text=True, check=False, timeout=60
        )
        if done.returncode:
            raise HelmError(done.stderr)
        return done.stdout + done.stderr

    def render(self, **values: Any) -> list[Manifest]:
        """Render the chart as release `capp` in namespace `ops`; each value by its first key."""
        given = [f"--set-json={key}={json.dumps(value)}" for key, value in values.items()]
        text = self.run("template", "capp", str(self.path), "--namespace=ops", *REQUIRED, *given)
        return [manifest for manifest in yaml.safe_load_all(text) if manifest]

    def only(self, kind: str, name: str = FULL_NAME, **values: Any) -> Manifest:
        """Render the chart and return the one object of this kind and name."""
        (found,) = [item for item in of_kind(self.render(**values), kind) if item["metadata"]["name"] == name]
        return found


def of_kind(manifests: list[Manifest], kind: str) -> list[Manifest]:
    """Return the manifests of one kind."""
    return [manifest for manifest in manifests if manifest["kind"] == kind]


def container(deployment: Manifest) -> Manifest:
    """Return the operator's container."""
    (found,) = deployment["spec"]["template"]["spec"]["containers"]
    return dict(found)


def plain_environment(deployment: Manifest) -> dict[str, str]:
    """Return the environment variables whose values stand in the manifest."""
    return {item["name"]: item["value"] for item in container(deployment)["env"] if "value" in item}
