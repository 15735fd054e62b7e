"""What a run of the bench found: a table to read, and JSON to keep.

Every time is a ratio to the floor of the same run, or stands beside it: machines differ, and are shared.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
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
    reconciles: int
    requests: dict[str, int] = field(default_factory=dict)
    repaired: tuple[float, float, float] | None = None
    """The percentiles of drift by the API server's clock: from the answer to the change to the answer to the repair."""

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
    """All phases of a run. `floors` were measured before, between and after the `creates`, so there is one more.

    `floor_drifts` were measured before and after `phases`, which have the operator's.
    """

    machine: str
    apps: int
    floors: list[Phase]
    floor_drifts: list[Phase]
    creates: list[Phase]
    phases: list[Phase]

    @property
    def ratios(self) -> list[float]:
        """Time of each create by the mean of the floors on either side of it."""
        pairs = zip(self.creates, self.floors, self.floors[1:], strict=False)
        return [2 * create.total / (before.total + after.total) for create, before, after in pairs]

    @property
    def ratio(self) -> float:
        """The median of the ratios."""
        return median(self.ratios)

    @property
    def create_cpu(self) -> float:
        """The median of the CPU milliseconds an app on create."""
        return median(create.cpu_per_app for create in self.creates)

    def as_json(self) -> dict[str, Any]:
        """Return the result for a file."""
        return asdict(self) | {"ratios": self.ratios, "ratio": self.ratio}

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Result:
        """Read what `as_json` returned, also an older one, which lacks what was not measured then."""
        lists = {
            name: [Phase(**phase) for phase in document.get(name, ())]
            for name in ("floors", "floor_drifts", "creates", "phases")
        }
        return cls(machine=document["machine"], apps=document["apps"], **lists)


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least `share` of the sorted `values` do not exceed; 0 for none."""
    if not values:
        return 0.0
    return values[max(0, math.ceil(round(share * len(values), 6)) - 1)]


def percentiles(values: Sequence[float]) -> tuple[float, float, float]:
    """Return p50, p95 and p99 of the sorted `values`."""
    return percentile(values, 0.5), percentile(values, 0.95), percentile(values, 0.99)


def table(result: Result) -> str:
    """Return the result as a Markdown table."""
    head = (
        "| phase | apps | × floor | p50 s | p95 s | p99 s | CPU ms/app | peak RSS MB "
        "| reconciles/app | writes/app | reads |\n|---|---|---|---|---|---|---|---|---|---|---|\n"
    )
    rows = [_row(phase, None) for phase in result.floors]
    rows += [_row(phase, ratio) for phase, ratio in zip(result.creates, result.ratios, strict=True)]
    for phase in (*result.floor_drifts, *result.phases):
        rows.append(_row(phase, None))
        if phase.repaired:
            p50, p95, p99 = phase.repaired
            rows.append(
                f"| {phase.subject}: {phase.phase}, by the API server's clock | {phase.apps} | "
                f"| {p50:.2f} | {p95:.2f} | {p99:.2f} | | | | | |\n"
            )
    return head + "".join(rows)


def _row(phase: Phase, ratio: float | None) -> str:
    times = f"{phase.p50:.2f} | {phase.p95:.2f} | {phase.p99:.2f}" if phase.p99 else "| |"
    return (
        f"| {phase.subject}: {phase.phase} | {phase.apps} | {f'{ratio:.2f}' if ratio else ''} | {times} | "
        f"{phase.cpu_per_app:.1f} | {phase.peak_rss:.0f} | "
        f"{phase.reconciles / phase.apps:.1f} | {phase.writes_per_app:.2f} | {phase.reads} |\n"
    )


def _reads(verb: str) -> bool:
    return verb.split(" ", maxsplit=1)[0] in {"get", "list"}
