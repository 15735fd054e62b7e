"""The launcher's end of the line to a run's supervisor.

A `Supervision` is one hold on the run: while it is open the run lives, and closing the last one ends it. Clusters use
it to start and stop components; it knows nothing of what the components are.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from devcluster import rundir
from devcluster.options import DevclusterError

if TYPE_CHECKING:
    from collections.abc import Callable

_CONNECT_SECONDS = 20.0
_ANSWER_SECONDS = 60.0
_END_SECONDS = 90.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """A server process of a run: how to start it, and where it says that it is ready."""

    name: str
    argv: list[str]
    env: dict[str, str] = field(default_factory=dict)
    ready_url: str | None = None


class Supervision:
    """One hold on a run."""

    def __init__(
        self, run_dir: Path, connection: socket.socket, process: subprocess.Popen[bytes] | None
    ) -> None:
        self.run_dir = run_dir
        self._connection = connection
        self._answers = connection.makefile("rb")
        self._process = process
        self._lock = threading.Lock()

    @classmethod
    def begin(cls, prefix: Callable[[Path], list[str]]) -> Self:
        """Claim a run directory and start its supervisor, behind a command prefix such as unshare's."""
        claim = rundir.claim()
        (claim.path / "logs").mkdir()
        package_root = Path(__file__).parent.parent
        with (claim.path / "logs" / "supervisor.log").open("wb") as log:
            process = subprocess.Popen(
                [
                    *prefix(claim.path),
                    sys.executable,
                    "-m",
                    "devcluster.supervisor",
                    str(claim.path),
                    str(claim.lock),
                ],
                env={**os.environ, "PYTHONPATH": str(package_root)},
                pass_fds=[claim.lock],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        os.close(claim.lock)
        return cls(claim.path, _connect(claim.path, process), process)

    @classmethod
    def join(cls, run_dir: Path) -> Self:
        """Hold a run that somebody else began; only the supervisor's answer means that it is held."""
        supervision = cls(run_dir, _connect(run_dir, None), None)
        try:
            supervision.pids()
        except DevclusterError:
            supervision.disconnect()
            raise
        return supervision

    def run(self, component: Component) -> None:
        """Start a new component."""
        environment = environment_without_proxies() | component.env | {rundir.RUN_VARIABLE: str(self.run_dir)}
        log = str(self.log(component.name))
        self._ask(
            do="run", name=component.name, component={"argv": component.argv, "env": environment, "log": log}
        )

    def start(self, name: str) -> None:
        """Start a stopped component again, as it was."""
        self._ask(do="start", name=name)

    def stop(self, name: str, grace: float) -> None:
        """Stop a component and wait until it is gone."""
        self._ask(do="stop", name=name, grace=grace)

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send a signal to a component."""
        self._ask(do="signal", name=name, signal=int(number))

    def pids(self) -> dict[str, int]:
        """Return the process id of every component, 0 for those that do not run."""
        pids: dict[str, int] = self._ask(do="pids")["pids"]
        return pids

    def at_end(self, argv: list[str]) -> None:
        """Have a command run when the run ends, however it ends."""
        (self.run_dir / rundir.END_COMMAND).write_text(json.dumps(argv))

    @property
    def process_id(self) -> int:
        """The process that this launcher started: the supervisor, or the prefix's program in front of it."""
        if self._process is None:
            raise DevclusterError("another process started this run")
        return self._process.pid

    def log(self, name: str) -> Path:
        """Return the file that a component writes to."""
        return self.run_dir / "logs" / f"{name}.log"

    def log_tail(self, name: str, lines: int = 15) -> str:
        """Return the last lines that a component wrote."""
        try:
            return "\n".join(self.log(name).read_text(errors="replace").splitlines()[-lines:])
        except FileNotFoundError:
            return "(no log)"

    def release(self) -> None:
        """Let go of the run, and wait for its end when nobody else holds it."""
        try:
            last = bool(self._ask(do="leave")["last"])
        except DevclusterError:
            last = True
        self.disconnect()
        if last:
            self._await_end()
        if self._process and self._process.poll() is None and not last:
            threading.Thread(target=self._process.wait, daemon=True).start()

    def disconnect(self) -> None:
        """Hang up, which lets go of the run as well."""
        self._answers.close()
        self._connection.close()

    def _await_end(self) -> None:
        deadline = time.monotonic() + _END_SECONDS
        while self.run_dir.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        if self._process:
            try:
                self._process.wait(timeout=max(1.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        rundir.sweep()

    def _ask(self, **request: Any) -> dict[str, Any]:
        with self._lock:
            try:
                self._connection.sendall(json.dumps(request).encode() + b"\n")
                line = self._answers.readline()
            except OSError as error:
                raise DevclusterError(f"the run's supervisor does not answer: {error}") from error
        if not line:
            raise DevclusterError(f"the run's supervisor is gone: {self.log_tail('supervisor')}")
        answer: dict[str, Any] = json.loads(line)
        return answer


def environment_without_proxies() -> dict[str, str]:
    """Return this process's environment less its HTTP proxies, which know nothing of the run's addresses."""
    return {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}


def _connect(run_dir: Path, process: subprocess.Popen[bytes] | None) -> socket.socket:
    deadline = time.monotonic() + (_CONNECT_SECONDS if process else 0)
    while True:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(_ANSWER_SECONDS)
        try:
            connection.connect(str(run_dir / rundir.SOCKET))
        except OSError as error:
            connection.close()
            if time.monotonic() > deadline or (process and process.poll() is not None):
                log = run_dir / "logs" / "supervisor.log"
                said = log.read_text(errors="replace") if log.exists() else ""
                if process:
                    process.kill()
                    process.wait()
                raise DevclusterError(f"no supervisor serves {run_dir}: {error}\n{said}") from error
            time.sleep(0.02)
        else:
            return connection
