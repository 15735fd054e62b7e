"""A real Prometheus beside the operators under test, with the chart's alerts as its rules.

It scrapes twice a second. Each alert is loaded twice: as it is, but without its wait (`for`); and hasty, with the
ranges in its expression as much shorter as the scrapes are closer together than usual, so that a test sees an alert
end without waiting for an hour. Reports what fires; judges nothing but how an alert reads.
"""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.alerts.files import rules
from tests.controller.operators import eventually

_SCRAPE_SECONDS = 0.5
_HASTE = 120
"""How much shorter the ranges are: one scrape in half a second stands for one in a minute."""

_SECONDS = {"m": 60, "h": 3600, "d": 86400}
_RUN = """
import ctypes, os, signal, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
os.execv(sys.argv[1], sys.argv[1:])
"""
"""The program, which the kernel ends with the tests, however those end (PR_SET_PDEATHSIG)."""


@dataclass(kw_only=True)
class Prometheus:
    """The server; it knows its targets from a file for each job."""

    program: Path
    directory: Path
    port: int = 0
    _process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        self.port = free_port()
        self._write("prometheus.yml", self._configuration())
        for name in ("as-is", "hasty"):
            self._write(f"{name}.yml", {"groups": [{"name": name, "rules": _loaded(name)}]})
        with (self.directory / "prometheus.log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-c", _RUN, str(self.program)),
                    f"--config.file={self.directory}/prometheus.yml",
                    f"--storage.tsdb.path={self.directory}/data",
                    f"--web.listen-address=127.0.0.1:{self.port}",
                ],
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        eventually("Prometheus answers", self._answers, details=self.tail)

    def stop(self) -> None:
        """End it at once."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def scrape(self, job: str, ports: dict[str, int]) -> None:
        """Scrape from now on, as `job`, what listens on these loopback ports, by the Pods' names."""
        targets = [
            {
                "targets": [f"127.0.0.1:{port}"],
                "labels": {"job": job, "namespace": "ops", "pod": pod},
            }
            for pod, port in ports.items()
        ]
        fresh = self.directory / "targets" / f".{job}"
        fresh.parent.mkdir(exist_ok=True)
        fresh.write_text(json.dumps(targets))
        fresh.rename(fresh.with_name(f"{job}.json"))

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Return the series that the expression yields now."""
        asked = urllib.parse.urlencode({"query": expression})
        found: list[dict[str, Any]] = self._get(f"/api/v1/query?{asked}")["result"]
        return found

    def notes(self, job: str, alert: str) -> list[dict[str, str]]:
        """Return the annotations with which the alert fires for the job."""
        return [
            found["annotations"]
            for found in self._get("/api/v1/alerts")["alerts"]
            if (found["labels"]["alertname"], found["labels"].get("job")) == (alert, job)
        ]

    def tail(self) -> str:
        """Return the end of its log, for messages."""
        return "\n".join((self.directory / "prometheus.log").read_text().splitlines()[-20:])

    def _get(self, path: str) -> Any:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"http://127.0.0.1:{self.port}{path}", timeout=10) as response:
            return json.loads(response.read())["data"]

    def _answers(self) -> bool:
        try:
            return bool(self.query("vector(1)"))
        except OSError:
            return False

    def _write(self, name: str, content: object) -> None:
        (self.directory / name).write_text(yaml.safe_dump(content, width=1000))

    def _configuration(self) -> dict[str, Any]:
        pace = f"{_SCRAPE_SECONDS * 1000:.0f}ms"
        return {
            "global": {"scrape_interval": pace, "scrape_timeout": pace, "evaluation_interval": pace},
            "rule_files": ["as-is.yml", "hasty.yml"],
            "scrape_configs": [
                {
                    "job_name": "operators",
                    "file_sd_configs": [{"files": ["targets/*.json"], "refresh_interval": "1s"}],
                }
            ],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What Prometheus sees of one test's operators, which it knows as a job of their own."""

    prometheus: Prometheus
    job: str

    def firing(self, pace: str = "as-is") -> set[str]:
        """Return the alerts that fire now."""
        return self._alerts(f'ALERTS{{alertstate="firing", pace="{pace}", job="{self.job}"}}')

    def fired(self, pace: str = "as-is") -> set[str]:
        """Return the alerts that have fired since the test began."""
        ever = f'last_over_time(ALERTS{{alertstate="firing", pace="{pace}", job="{self.job}"}}[10m])'
        return self._alerts(ever)

    def await_alert(self, name: str) -> None:
        """Wait until the alert fires as it is, and has fired hastily; see that it says what it should."""
        self._until(f"{name} fires", lambda: name in self.firing())
        self._until(f"{name} has fired hastily", lambda: name in self.fired("hasty"))
        for notes in self.prometheus.notes(self.job, name):
            assert self.job in notes["description"]
            assert not re.search(r"<no value>|<error|NaN", " ".join(notes.values())), notes

    def await_peace(self, *names: str) -> None:
        """Wait until the alerts do not fire any more."""
        self._until(f"{names} end", lambda: not self.firing("hasty") & set(names))

    def sees(self, expression: str) -> bool:
        """Whether the expression holds now."""
        return bool(self.prometheus.query(expression))

    def await_scrapes(self, count: int) -> None:
        """Wait until that many scrapes more have succeeded."""
        seen = f'sum_over_time(up{{job="{self.job}"}}[10m])'
        wanted = self._number(seen) + count
        self._until(f"{count} scrapes", lambda: self._number(seen) >= wanted)

    def _number(self, expression: str) -> float:
        return sum(float(found["value"][1]) for found in self.prometheus.query(expression))

    def _alerts(self, expression: str) -> set[str]:
        return {found["metric"]["alertname"] for found in self.prometheus.query(expression)}

    def _until(self, description: str, condition: Callable[[], object]) -> None:
        eventually(description, condition, timeout=90.0, details=self._report)

    def _report(self) -> str:
        series = self.prometheus.query(
            f'{{job="{self.job}", __name__=~"containerapp_.*(total|leader|ready|apps|depth)|up"}}'
        )
        stated = [f"{found['metric']} {found['value'][1]}" for found in series]
        return "\n".join([f"fires: {self.firing()}, hastily: {self.firing('hasty')}", *stated])


def free_port() -> int:
    """Return a port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _loaded(pace: str) -> list[dict[str, Any]]:
    """Return the chart's alerts without their waits, labelled by their pace."""
    return [
        {
            "alert": rule["alert"],
            "expr": _hastened(rule["expr"]) if pace == "hasty" else rule["expr"],
            "labels": rule["labels"] | {"pace": pace},
            "annotations": rule["annotations"],
        }
        for rule in rules()
    ]


def _hastened(expression: str) -> str:
    return re.sub(
        r"\[(\d+)([mhd])\]",
        lambda span: f"[{int(span[1]) * _SECONDS[span[2]] * 1000 // _HASTE}ms]",
        expression,
    )
