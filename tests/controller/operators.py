"""The operator as a process of its own, started as the chart would start it, and ended without fail.

It runs under the chart's ServiceAccount with the environment that the chart's Deployment gives it. Tests start, stop
and kill it, and read its log and its metrics; nothing here judges.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from prometheus_client.parser import text_string_to_metric_families

ROOT = Path(__file__).parents[2]
_START_SECONDS = 60.0
_STOP_SECONDS = 30.0
_TAIL_LINES = 40
_RUN = """
import ctypes, runpy, signal, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
runpy.run_module("containerapp", run_name="__main__", alter_sys=True)
"""
"""`python -m containerapp`, which the kernel ends with the tests, however those end (PR_SET_PDEATHSIG)."""
_OVERRIDES = {
    "CONTAINERAPP_HTTP_HOST": "127.0.0.1",
    "CONTAINERAPP_HTTP_PORT": "0",
    "CONTAINERAPP_IMAGE_REFRESH_INTERVAL": "10",
    "CONTAINERAPP_MIN_READY_SECONDS": "0",
    "PYTHONPATH": f"{ROOT / 'operator'}:{ROOT}",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who the operator is in the cluster, and what the chart tells it by its environment."""

    service_account: str
    namespace: str
    kubeconfig: Path
    environment: Mapping[str, str]

    @property
    def user(self) -> str:
        """The name that the audit log knows it by."""
        return f"system:serviceaccount:{self.namespace}:{self.service_account}"


@dataclass(kw_only=True)
class Operator:
    """One replica. Started again, it is the same Pod whose container was restarted: its name stays."""

    identity: Identity
    directory: Path
    name: str = "operator-0"
    environment: dict[str, str] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()
    before: str = ""
    """Python that its process runs before it starts: a deliberate mistake, for example."""
    port: int | None = None
    _process: subprocess.Popen[bytes] | None = None
    _began: int = 0

    @property
    def log_file(self) -> Path:
        """Where everything goes that it says, over all its restarts."""
        return self.directory / f"{self.name}.log"

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.poll() is None

    def start(self, *, wait: bool = True) -> Self:
        """Start it and wait until it reconciles; without `wait`, return at once."""
        assert not self.running, "it runs already"
        self.log_file.touch()
        self._began = self.log_file.stat().st_size
        self.port = None
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-c", f"{self.before}\n{_RUN}", "operator", *self.arguments],
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        if wait:
            self.await_line("All children are listed; reconciling")
        return self

    def await_line(self, message: str, timeout: float = _START_SECONDS) -> dict[str, Any]:
        """Wait for a message in the log of this run; return its line."""
        deadline = time.monotonic() + timeout
        while True:
            for line in self.lines():
                if message in str(line.get("message")):
                    return line
            assert self.running, f"the operator ended:\n{self.tail()}"
            assert time.monotonic() < deadline, f"no {message!r} within {timeout:.0f} s:\n{self.tail()}"
            time.sleep(0.05)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to end and wait for that; return its exit code."""
        assert self._process is not None, "it was not started"
        self._process.send_signal(number)
        try:
            return self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise AssertionError(f"did not end within {_STOP_SECONDS:.0f} s:\n{self.tail()}") from None

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Stop the process in its tracks while inside."""
        process = self._process
        assert process is not None, "it was not started"
        process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it at once, wherever it is."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def lines(self) -> list[dict[str, Any]]:
        """Return the log of this run, line by line; what is no JSON becomes a message."""
        return [_parsed(line) for line in self.text().splitlines(keepends=True) if line.endswith("\n")]

    def text(self) -> str:
        """Return the log of this run as it was written."""
        with self.log_file.open("rb") as log:
            log.seek(self._began)
            return log.read().decode()

    def tail(self) -> str:
        """Return the end of the log, for messages."""
        return "\n".join(self.log_file.read_text().splitlines()[-_TAIL_LINES:])

    def page(self, path: str) -> tuple[int, str]:
        """Return status and text of one of its pages."""
        if self.port is None:
            line = self.await_line("Serving metrics and health on port")["message"]
            self.port = int(line.rpartition(" ")[2])
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(f"http://127.0.0.1:{self.port}{path}", timeout=10) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def metric(self, name: str, **labels: str) -> float:
        """Return the sum of a metric's samples that carry these labels."""
        families = text_string_to_metric_families(self.page("/metrics")[1])
        return sum(
            sample.value
            for family in families
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.directory),
            **self.identity.environment,
            "KUBECONFIG": str(self.identity.kubeconfig),
            "POD_NAME": self.name,
            "POD_NAMESPACE": self.identity.namespace,
            **_OVERRIDES,
            **self.environment,
        }


def eventually(
    description: str,
    condition: Callable[[], object],
    *,
    timeout: float = 60.0,
    interval: float = 0.1,
    details: Callable[[], str] = str,
) -> None:
    """Wait until `condition` is truthy; fail with the description and the details."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout:.0f} s: {description}\n{details()}")
        time.sleep(interval)


def _parsed(line: str) -> dict[str, Any]:
    try:
        parsed: dict[str, Any] = json.loads(line)
    except ValueError:
        return {"message": line}
    return parsed
