"""Where the operator's CPU goes: samples of a running process by py-spy, summed up by the part of the code.

Started by the bench beside a phase when the command line asks for it; read by `table`. It never changes the process.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_RATE = 250
"""Samples a second."""

_PARTS = (
    ("start: imports", ("<frozen importlib", "importlib/")),
    ("our core: parse, render, plan, status",
        ("containerapp/api/", "containerapp/controllers/", "containerapp/core/", "pydantic/")),
    ("requests: aiohttp, TLS", ("containerapp/kube/client.py",)),
    ("kopf's events", ("kopf/",)),
    ("children's events", ("containerapp/kube/informer.py",)),
    ("our shell: reconcile, apply, queue", ("containerapp/",)),
    ("TLS and sockets", ("asyncio/sslproto.py", "asyncio/selector_events.py", "ssl.py", "aiohttp/")),
    ("the event loop", ("asyncio/",)),
)  # fmt: skip
"""Parts, each by its files: the innermost frame in one of them decides; the first part that matches wins."""


@contextmanager
def profiled(pid: int, output: Path) -> Iterator[None]:
    """Sample the process while inside; leave collapsed stacks in `output`."""
    command = [
        str(Path(sys.executable).parent / "py-spy"), "record", "--format=raw", "--full-filenames", "--gil",
        f"--rate={_RATE}", f"--pid={pid}", f"--output={output}",
    ]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        try:
            yield
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(60)


def table(stacks: Path) -> str:
    """Return the shares of the parts, and the lines that most samples were in, as Markdown."""
    parts: Counter[str] = Counter()
    leaves: Counter[str] = Counter()
    for line in stacks.read_text().splitlines():
        stack, _, count = line.rpartition(" ")
        frames = stack.split(";")
        parts[_part(frames)] += int(count)
        leaves[frames[-1].rpartition("site-packages/")[2]] += int(count)
    total = sum(parts.values()) or 1
    rows = [f"| {name} | {100 * count / total:.1f} % |" for name, count in parts.most_common()]
    rows += [f"| `{name}` | {100 * count / total:.1f} % |" for name, count in leaves.most_common(25)]
    return "\n".join(["| part, or line | share |", "|---|---|", *rows])


def _part(frames: list[str]) -> str:
    """Return the part of a stack: that of the innermost frame which belongs to one."""
    for frame in reversed(frames):
        for name, files in _PARTS:
            if any(file in frame for file in files):
                return name
    return "other"
