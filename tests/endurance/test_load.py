"""The short forms of the proofs that load the operator; the long ones are `make endurance`.

What needs hours or a quiet machine to be seen (memory, latencies) is bounded loosely here, everything else as there.
"""

from __future__ import annotations

import pytest

from tests.endurance import leaks, neighbours
from tests.endurance.noises import noises
from tests.endurance.stage import Stage
from tests.endurance.verdict import Verdict, hold
from tests.endurance.vitals import Vitals, plot, slope


@pytest.mark.cluster
def test_bad_apps_cost_a_bounded_number_of_requests(given: Stage) -> None:
    """An app that never settles is served as seldom as it must be, and the others are served on."""
    shape = neighbours.Shape(
        noises=("noisy", "refused", "war"), apps=40, edits_per_second=3, rounds=1, seconds=5, refused=5, most_growth=9,
    )  # fmt: skip
    hold(neighbours.run(given, shape, print))


@pytest.mark.cluster
def test_nothing_is_held_that_was_not_held_before(given: Stage) -> None:
    """No task, file, thread or connection is left over from apps that are gone or from watches that broke."""
    shape = leaks.Shape(minutes=0.4, apps=16, interval=2, restart_every=12, quiet=5, most_growth=10_000)
    hold(leaks.run(given, shape, print))


def test_what_the_edits_cost_by_themselves_is_not_held_against_the_operator() -> None:
    """Half as much again is too much, but not where the same edits cost a third when nobody acts upon them."""
    found = noises(missing=1, refused=1)
    noisy, control = (
        neighbours.Comparison(noise=found[name], without=[_window(0.020)], beside=[_window(p95)])
        for name, p95 in (("noisy", 0.030), ("copied", 0.026))
    )
    held = []
    for against in (None, control):
        verdict = Verdict(proof="neighbours")
        neighbours.judge(verdict, noisy, against, neighbours.Shape())
        held.append(verdict.claims[0].holds)
    assert held == [False, True]


def test_a_window_is_compared_with_its_own_round() -> None:
    """A round in which all was slow says nothing about the noise."""
    comparison = neighbours.Comparison(
        noise=noises(missing=1, refused=1)["copied"],
        without=[_window(p95) for p95 in (0.020, 0.040, 0.020)],
        beside=[_window(p95) for p95 in (0.022, 0.044, 0.060)],
    )
    assert comparison.growth == pytest.approx(0.1)


def test_a_silence_in_which_the_quiet_apps_are_held_off_proves_nothing() -> None:
    """They would be no slower beside anything."""
    verdict = Verdict(proof="neighbours")
    neighbours.judge_silence(verdict, [_window(0.02), _window(0.03)])
    neighbours.judge_silence(verdict, [_window(0.02), _window(13.0)])
    assert [claim.holds for claim in verdict.claims] == [True, False]


def _window(p95: float) -> neighbours.Window:
    return neighbours.Window(p50=0.01, p95=p95, cpu=0.1, queued=0.001)


def test_the_slope_is_told_in_megabytes_an_hour() -> None:
    """One megabyte more every ten minutes is six an hour."""
    moments = [
        Vitals(at=600.0 * number, rss=80.0 + number, files=1, threads=1, tasks=1, connections=1)
        for number in range(4)
    ]
    assert slope(moments) == pytest.approx(6)
    assert "MB, over minutes" in plot("Memory", [(moment.at / 60, moment.rss) for moment in moments], "MB")
