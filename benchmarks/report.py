"""What a run of the bench found: a table to read, JSON to keep, and plots (SVG) for docs/performance.md.

Every time is a ratio to the floor of the same run, or stands beside it: machines differ, and are shared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(kw_only=True)
class Phase:
    """One phase of one subject. Seconds, and MB at its end."""

    subject: str
    phase: str
    apps: int
    total: float
    p50: float
    p95: float
    p99: float
    cpu: float
    peak_rss: float
    requests: dict[str, int] = field(default_factory=dict)

    @property
    def cpu_per_app(self) -> float:
        """CPU milliseconds an app."""
        return self.cpu / self.apps * 1000

    @property
    def writes_per_app(self) -> float:
        """Writes an app."""
        return sum(count for verb, count in self.requests.items() if not _reads(verb)) / self.apps

    @property
    def reads(self) -> int:
        """Reads in all."""
        return sum(count for verb, count in self.requests.items() if _reads(verb))


@dataclass(kw_only=True)
class Result:
    """All phases of a run, the operator's and the floor's."""

    machine: str
    apps: int
    floors: list[Phase]
    phases: list[Phase]

    @property
    def floor(self) -> float:
        """Seconds that the floor took to create all apps: the mean of before and after."""
        return sum(phase.total for phase in self.floors) / len(self.floors)

    def as_json(self) -> dict[str, Any]:
        """Return the result for a file."""
        return asdict(self) | {"floor": self.floor}


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least `share` of the sorted `values` do not exceed; 0 for none."""
    if not values:
        return 0.0
    return values[max(0, min(len(values) - 1, round(share * len(values)) - 1))]


def table(result: Result) -> str:
    """Return the result as a Markdown table."""
    head = (
        "| phase | apps | × floor | p50 s | p95 s | p99 s | CPU ms/app | peak RSS MB | writes/app | reads |\n"
        "|---|---|---|---|---|---|---|---|---|---|\n"
    )
    return head + "".join(_row(phase, result.floor) for phase in [*result.floors, *result.phases])


def _row(phase: Phase, floor: float) -> str:
    ratio = f"{phase.total / floor:.2f}" if phase.phase == "create" else ""
    return (
        f"| {phase.subject}: {phase.phase} | {phase.apps} | {ratio} | {phase.p50:.2f} | {phase.p95:.2f} | "
        f"{phase.p99:.2f} | {phase.cpu_per_app:.1f} | {phase.peak_rss:.0f} | {phase.writes_per_app:.2f} | "
        f"{phase.reads} |\n"
    )


def bars(title: str, unit: str, values: Sequence[tuple[str, float]]) -> str:
    """Return a bar chart as SVG."""
    height, top = 28, 48
    longest = max((value for _, value in values), default=1.0) or 1.0
    rows = "".join(
        f'<text x="190" y="{top + i * height + 15}" text-anchor="end">{label}</text>'
        f'<rect x="200" y="{top + i * height + 2}" width="{380 * value / longest:.1f}" height="18" fill="#2f6f9f"/>'
        f'<text x="{206 + 380 * value / longest:.1f}" y="{top + i * height + 15}">{value:.3g} {unit}</text>'
        for i, (label, value) in enumerate(values)
    )
    total = top + height * len(values) + 12
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 680 {total}" font-family="sans-serif" font-size="13">'
        f'<rect width="680" height="{total}" fill="white"/>'
        f'<text x="16" y="26" font-size="16" font-weight="bold">{title}</text>{rows}</svg>\n'
    )


def _reads(verb: str) -> bool:
    return verb.split(" ", maxsplit=1)[0] in {"get", "list"}
