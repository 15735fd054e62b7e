"""What a process holds, by the kernel and by its metrics: memory, files, threads, tasks, connections.

Read by `leaks` every few seconds. The slope and the plot are made here too; nothing is judged.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import linear_regression

from tests.controller.operators import Operator

_ESTABLISHED = "01"
_WIDTH, _HEIGHT = 640, 240


@dataclass(frozen=True, slots=True, kw_only=True)
class Vitals:
    """A sample of a process. `at` is in seconds since the run's start, `rss` in MB."""

    at: float
    rss: float
    files: int
    threads: int
    tasks: int
    connections: int
    """To the API server: one for each watch, and those of the pool."""


def vitals(operator: Operator, began: float, server_port: int) -> Vitals:
    """Take a sample."""
    assert operator._process is not None, "it was not started"
    if (code := operator._process.poll()) is not None:
        raise RuntimeError(f"the operator ended by itself with {code}; see {operator.log_file}")
    process = Path(f"/proc/{operator._process.pid}")
    status = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines() if ":" in line)
    links = [_target(link) for link in (process / "fd").iterdir()]
    sockets = {link for link in links if link.startswith("socket:")}
    return Vitals(
        at=time.monotonic() - began,
        rss=int(status["VmRSS"].split()[0]) / 1024,
        files=len(links),
        threads=int(status["Threads"]),
        tasks=int(operator.metric("containerapp_tasks")),
        connections=len(sockets & _established(process, server_port)),
    )


def slope(moments: Sequence[Vitals]) -> float:
    """Return by how many MB an hour the memory grows, by least squares."""
    return linear_regression(
        [moment.at / 3600 for moment in moments], [moment.rss for moment in moments]
    ).slope


def plot(title: str, points: Sequence[tuple[float, float]], unit: str) -> str:
    """Return a line over minutes, from zero, as SVG."""
    longest, highest = max(x for x, _ in points), 1.1 * max(y for _, y in points)
    path = " ".join(
        f"{60 + _WIDTH * x / longest:.1f},{40 + _HEIGHT * (1 - y / highest):.1f}" for x, y in points
    )
    lines = "".join(
        f'<line x1="60" x2="{60 + _WIDTH}" y1="{y}" y2="{y}" stroke="#ddd"/>'
        f'<text x="52" y="{y + 4}" text-anchor="end">{highest * (1 - part / 4):.0f}</text>'
        f'<text x="{60 + _WIDTH * part / 4:.0f}" y="{60 + _HEIGHT}" text-anchor="middle">'
        f"{longest * part / 4:.0f}</text>"
        for part in range(5)
        for y in [40 + _HEIGHT * part / 4]
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH + 90} {_HEIGHT + 90}"'
        f' font-family="sans-serif" font-size="13"><rect width="100%" height="100%" fill="white"/>'
        f'<text x="16" y="24" font-size="16" font-weight="bold">{title}</text>{lines}'
        f'<text x="16" y="{_HEIGHT + 80}">{unit}, over minutes</text>'
        f'<polyline points="{path}" fill="none" stroke="#2f6f9f" stroke-width="1.5"/></svg>\n'
    )


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except FileNotFoundError:
        return ""  # closed meanwhile


def _established(process: Path, server_port: int) -> set[str]:
    """Return the sockets that are connected to the port."""
    rows = [line.split() for line in (process / "net" / "tcp").read_text().splitlines()[1:]]
    return {
        f"socket:[{row[9]}]"
        for row in rows
        if row[3] == _ESTABLISHED and int(row[2].rpartition(":")[2], 16) == server_port
    }
