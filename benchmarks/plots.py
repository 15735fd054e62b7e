"""Plots (SVG) of results of the bench: bars with their numbers beside them.

Drawn by the command from all results that it finds in its directory. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from benchmarks.report import Phase, Result

_PEERS = {"kro": (2.1, 22.0), "naiserator": (2.5, 11.0), "skiperator": (3.6, 28.0)}
"""Operators in Go on the same work, 500 apps on 2 cores: time by the floor, CPU milliseconds an app on create."""

_BAR, _TOP, _LEFT, _WIDTH = 26, 48, 230, 340


def plots(results: Sequence[Result]) -> Mapping[str, str]:
    """Return the plots by file name; `results` are of different sizes, the smallest first."""
    smallest = results[0]
    peers = sorted(_PEERS.items(), key=lambda peer: peer[1])
    drawn = {
        "bench-time.svg": bars(
            f"Create {smallest.apps} apps until all are Ready: time by the floor",
            [("floor", 1.0), ("this operator", smallest.ratio), *((name, time) for name, (time, _) in peers)],
        ),
        "bench-cpu.svg": bars(
            f"Operator CPU an app on create, ms ({smallest.apps} apps)",
            [("this operator", smallest.create_cpu), *((name, cpu) for name, (_, cpu) in peers)],
        ),
        "bench-requests.svg": bars(f"Requests an app ({smallest.apps} apps)", _requests(smallest)),
    }
    if len(results) > 1:
        drawn["bench-growth.svg"] = bars("How cost grows with the number of apps", list(_growth(results)))
    return drawn


def _requests(result: Result) -> list[tuple[str, float]]:
    return [
        (phase.phase, sum(phase.requests.values()) / phase.apps)
        for phase in (result.creates[0], *result.phases)
    ]


def _growth(results: Sequence[Result]) -> list[tuple[str, float]]:
    measures: dict[str, Callable[[Result], float]] = {
        "create by the floor": lambda result: result.ratio,
        "CPU ms an app, create": lambda result: result.create_cpu,
        "CPU ms an app, restart": lambda result: _phase(result, "restart").cpu_per_app,
        "peak RSS, MB": lambda result: max(phase.peak_rss for phase in (*result.creates, *result.phases)),
    }
    return [
        (f"{name}: {result.apps} apps", measure(result))
        for name, measure in measures.items()
        for result in results
    ]


def _phase(result: Result, name: str) -> Phase:
    return next(phase for phase in result.phases if phase.phase == name)


def bars(title: str, values: Sequence[tuple[str, float]]) -> str:
    """Return a bar chart as SVG."""
    longest = max((value for _, value in values), default=1.0) or 1.0
    rows = "".join(
        _bar(number, label, value, value / longest) for number, (label, value) in enumerate(values)
    )
    height = _TOP + _BAR * len(values) + 12
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 660 {height}" font-family="sans-serif" font-size="13">'
        f'<rect width="660" height="{height}" fill="white"/>'
        f'<text x="16" y="26" font-size="16" font-weight="bold">{title}</text>{rows}</svg>\n'
    )


def _bar(number: int, label: str, value: float, share: float) -> str:
    y, length = _TOP + number * _BAR, _WIDTH * share
    return (
        f'<text x="{_LEFT - 10}" y="{y + 15}" text-anchor="end">{label}</text>'
        f'<rect x="{_LEFT}" y="{y + 2}" width="{length:.1f}" height="18" fill="#2f6f9f"/>'
        f'<text x="{_LEFT + length + 6:.1f}" y="{y + 15}">{value:.3g}</text>'
    )
