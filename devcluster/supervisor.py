"""The process that owns a run: it starts, stops and reaps the components, and removes the run when nobody needs it.

The launcher starts it as `python -m devcluster.supervisor` and talks to it through a Unix socket, one JSON object a
line. Each open connection is a holder; when the last one goes, however it goes (exit, crash, kill -9), the run ends.
It must never outlive its holders, and no component may outlive it: each dies with it by the kernel's doing.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import json
import os
import signal
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from devcluster import rundir

_ENDING_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_FIRST_HOLDER_SECONDS = 30
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_LIBC = ctypes.CDLL(None, use_errno=True)


@dataclass(slots=True, kw_only=True)
class _Component:
    argv: list[str]
    env: dict[str, str]
    log: str
    pid: int = 0
    exited: asyncio.Event = field(default_factory=asyncio.Event)


class _Supervisor:
    def __init__(self, run_dir: Path) -> None:
        self.run_dir = run_dir
        self.components: dict[str, _Component] = {}
        self.holders: set[asyncio.StreamWriter] = set()
        self.over = asyncio.Event()

    async def serve(self) -> None:
        """Serve holders until the last one is gone, then stop every component."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGCHLD, self.reap)
        for number in _ENDING_SIGNALS:
            loop.add_signal_handler(number, self.over.set)
        loop.call_later(_FIRST_HOLDER_SECONDS, self.end_unless_held)
        server = await asyncio.start_unix_server(self.hold, self.run_dir / rundir.SOCKET)
        await self.over.wait()
        server.close()
        for name in reversed(list(self.components)):
            self.send_signal(name, signal.SIGKILL)
        await asyncio.gather(*(component.exited.wait() for component in self.components.values()))

    async def hold(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one holder's requests until it hangs up."""
        if self.over.is_set():
            writer.close()
            return
        self.holders.add(writer)
        try:
            while line := await reader.readline():
                request = json.loads(line)
                answer = self.leave(writer) if request["do"] == "leave" else await self.answer(request)
                writer.write(json.dumps(answer).encode() + b"\n")
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            self.leave(writer)
            writer.close()

    def leave(self, holder: asyncio.StreamWriter) -> dict[str, Any]:
        """Let a holder go, and tell it whether the run ends with that."""
        self.holders.discard(holder)
        self.end_unless_held()
        return {"last": not self.holders}

    async def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Do what one request asks for and say what came of it."""
        name = request.get("name", "")
        match request["do"]:
            case "run":
                self.components[name] = _Component(**request["component"])
                self.launch(name)
            case "start":
                self.launch(name)
            case "signal":
                self.send_signal(name, request["signal"])
            case "stop":
                await self.stop(name, request["grace"])
            case _:  # a mere question for the process ids
                pass
        return {"pids": {name: component.pid for name, component in self.components.items()}}

    def launch(self, name: str) -> None:
        """Start a component unless it runs."""
        component = self.components[name]
        if component.pid == 0:
            component.exited.clear()
            component.pid = _spawn(component)

    def send_signal(self, name: str, number: int) -> None:
        """Send a signal to a component, if it runs."""
        if pid := self.components[name].pid:
            os.kill(pid, number)

    async def stop(self, name: str, grace: float) -> None:
        """End a component: politely first, by force after the grace period."""
        component = self.components[name]
        if component.pid == 0:
            return
        for number in (signal.SIGCONT, signal.SIGTERM):
            self.send_signal(name, number)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(component.exited.wait(), grace)
        self.send_signal(name, signal.SIGKILL)
        await component.exited.wait()

    def reap(self) -> None:
        """Collect every ended child, also those that were orphaned to us."""
        with contextlib.suppress(ChildProcessError):
            while (pid := os.waitpid(-1, os.WNOHANG)[0]) != 0:
                for component in self.components.values():
                    if component.pid == pid:
                        component.pid = 0
                        component.exited.set()

    def end_unless_held(self) -> None:
        """End the run when no holder is left."""
        if not self.holders:
            self.over.set()


def _spawn(component: _Component) -> int:
    """Start a process that leads its own session, writes to its log and dies with this one."""
    # Until it runs its own program, the child shares this process's way of noticing signals: one that reaches it
    # in between would be taken for ours. So signals wait until the child has let go of it.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    pid = os.fork()
    if pid:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        return pid
    try:
        signal.set_wakeup_fd(-1)
        for number in (*_ENDING_SIGNALS, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        os.setsid()
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        log = os.open(component.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.execvpe(component.argv[0], component.argv, component.env)  # noqa: S606 - a list, and no shell
    except OSError as error:
        os.write(2, f"cannot run {component.argv[0]}: {error}\n".encode())
    finally:
        os._exit(127)


def _main(run_dir: Path, lock: int) -> None:
    os.set_inheritable(lock, False)
    _LIBC.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        asyncio.run(_Supervisor(run_dir).serve())
    finally:
        rundir.destroy(run_dir)


if __name__ == "__main__":
    _main(Path(sys.argv[1]), int(sys.argv[2]))
