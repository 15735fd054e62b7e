"""Requests at a steady rate, counted: `python load.py ADDRESS PORT RATE [HOST AUTHORITY]`, until SIGTERM.

Each request has a connection of its own, as from a load balancer that keeps none. With a host they go by HTTPS, whose
certificate is verified, and every other one takes a connection that is kept, as from a browser. It begins once an
answer has come: kube-proxy knows a new Service some moments after its Pods are ready. On SIGTERM it prints how many
were answered, and the first failures.
"""

from __future__ import annotations

import asyncio
import json
import signal
import ssl
import sys
import time
from collections import deque
from dataclasses import dataclass, field
from functools import partial

_SECONDS = 10.0
_SHOWN = 5
_BEGIN = 60.0
"""Seconds within which the first answer has to come."""

_Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Target:
    address: str
    port: int
    host: str = ""
    trust: ssl.SSLContext | None = None
    kept: deque[_Stream] = field(default_factory=deque)
    """Connections that wait for their next request; the one that has waited longest comes first."""

    async def connect(self) -> _Stream:
        name = self.host or None
        return await asyncio.open_connection(self.address, self.port, ssl=self.trust, server_hostname=name)


async def _ask(target: _Target, *, keep: bool) -> str:
    """Return what went wrong; nothing where the answer is 200."""
    try:
        async with asyncio.timeout(_SECONDS):
            reader, writer = target.kept.popleft() if keep and target.kept else await target.connect()
            whole = False
            try:
                connection = "keep-alive" if keep else "close"
                head = f"GET / HTTP/1.1\r\nHost: {target.host or 'app'}\r\nConnection: {connection}\r\n\r\n"
                writer.write(head.encode())
                line = await reader.readline()
                if target.trust:
                    await _read_rest(reader)
                if keep:
                    target.kept.append((reader, writer))
                    whole = True
            finally:
                if not whole:
                    writer.close()
    except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
        return f"{'kept' if keep else 'new'} connection: {type(error).__name__}: {error}"
    return "" if b" 200 " in line else line.decode(errors="replace") or "an empty answer"


async def _read_rest(reader: asyncio.StreamReader) -> None:
    """Read headers and content to their end, so that the connection is at its next answer."""
    headers = (await reader.readuntil(b"\r\n\r\n")).decode(errors="replace").lower().splitlines()
    values = {name: value.strip() for name, _, value in (line.partition(":") for line in headers)}
    if values.get("transfer-encoding") != "chunked":
        await reader.readexactly(int(values.get("content-length", "0")))
        return
    while size := int(await reader.readline(), 16):
        await reader.readexactly(size + 2)
    await reader.readline()


def _note(results: list[tuple[float, str]], at: float, task: asyncio.Task[str]) -> None:
    results.append((at, task.result()))


async def _run(target: _Target, rate: float) -> None:
    stop, tasks = asyncio.Event(), set[asyncio.Task[str]]()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with asyncio.timeout(_BEGIN):
        while not stop.is_set() and await _ask(target, keep=False):  # noqa: ASYNC110 - no event of this process
            await asyncio.sleep(0.1)
    began = time.monotonic()
    results: list[tuple[float, str]] = []
    sent = 0
    while not stop.is_set():
        task = asyncio.create_task(_ask(target, keep=target.trust is not None and sent % 2 == 0))
        at = time.monotonic() - began
        task.add_done_callback(partial(_note, results, at))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        sent += 1
        await asyncio.sleep(max(0.0, began + sent / rate - time.monotonic()))
    await asyncio.gather(*tasks)
    failed = [(round(at, 1), words) for at, words in results if words]
    print(json.dumps({"sent": len(results), "failed": len(failed), "first": failed[:_SHOWN]}), flush=True)  # noqa: T201


def _target(address: str, port: str, host: str = "", authority: str = "") -> _Target:
    trust = ssl.create_default_context(cafile=authority) if host else None
    return _Target(address=address, port=int(port), host=host, trust=trust)


if __name__ == "__main__":
    asyncio.run(_run(_target(*sys.argv[1:3], *sys.argv[4:]), float(sys.argv[3])))
