"""The chart's alerts and dashboard as files, and Prometheus' own tool to judge them.

Used by the tests of this folder, and by those that try the alerts on a running operator. Changes nothing.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
ALERTS_FILE = ROOT / "charts" / "containerapp-operator" / "files" / "alerts.yaml"
DASHBOARD_FILE = ROOT / "charts" / "containerapp-operator" / "files" / "dashboard.json"
RUNBOOKS = ROOT / "docs" / "runbooks"
_METRIC = re.compile(r"\b(?:containerapp|process|python)_[a-z_]+")
_VARIABLES = {"$__rate_interval": "1m", "$namespace": ".*"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Promtool:
    """The program, and what it says."""

    path: Path

    def run(self, *arguments: str) -> str:
        """Run it; return all that it said, after `failed:` where it was not content."""
        done = subprocess.run(
            [str(self.path), *arguments], capture_output=True, text=True, check=False, timeout=60
        )
        return ("failed:\n" if done.returncode else "") + done.stdout + done.stderr


def rules() -> list[dict[str, Any]]:
    """Return all alerting rules."""
    groups = yaml.safe_load(ALERTS_FILE.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def dashboard() -> dict[str, Any]:
    """Return the dashboard."""
    return dict(json.loads(DASHBOARD_FILE.read_text()))


def queries(job: str = ".*") -> Iterator[tuple[str, str]]:
    """Yield the title of each panel with each of its expressions, Grafana's variables replaced as Grafana would."""
    variables = {**_VARIABLES, "$job": job}
    for panel in dashboard()["panels"]:
        for target in panel.get("targets", []):
            expression = target["expr"]
            for name, value in variables.items():
                expression = expression.replace(name, value)
            yield panel["title"], expression


def metrics_in(expression: str) -> set[str]:
    """Return the metrics of the operator that an expression names."""
    return set(_METRIC.findall(expression))
