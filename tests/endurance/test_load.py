"""The short forms of the proofs that load the operator; the long ones are `make endurance`.

What only hours or a quiet machine show (memory, latencies) has loose bounds here, everything else the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from unittest.mock import Mock

import pytest

from tests.endurance import leaks, neighbours
from tests.endurance.noises import noises
from tests.endurance.stage import Stage
from tests.endurance.verdict import Verdict, hold
from tests.endurance.vitals import Vitals, plot, slope


@pytest.mark.cluster
def test_bad_apps_cost_a_bounded_number_of_requests(given: Stage) -> None:
    """An app that never settles is written as rarely as it should be, and the others are not affected."""
    shape = neighbours.Shape(
        noises=("noisy", "refused", "war"), apps=40, edits_per_second=3, rounds=1, seconds=5, refused=5, most_growth=9,
    )  # fmt: skip
    hold(neighbours.run(given, shape, print))


@pytest.mark.cluster
@pytest.mark.long
@pytest.mark.timeout(300)
def test_the_load_leaves_no_task_file_thread_or_connection(given: Stage) -> None:
    """Neither deleted apps nor broken watches leave any."""
    shape = leaks.Shape(minutes=0.4, least_hours=0, apps=16, interval=2, restart_every=12, most_growth=10_000)
    hold(leaks.run(given, shape, print))


@dataclass
class _Clock:
    """Time that passes only with waiting and work."""

    now: float = 0.0

    def monotonic(self) -> float:
        return self.now

    def work(self, *_: object) -> None:
        self.now += 0.1

    def wait(self, seconds: float) -> bool:
        self.now += seconds
        return self.now > 60


def test_the_load_keeps_its_rate_although_requests_take_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The pauses get shorter, not the rate."""
    clock = _Clock()
    monkeypatch.setattr(leaks, "time", clock)
    monkeypatch.setattr(leaks, "_do", clock.work)
    pods = [{"metadata": {"name": f"pod-{number}"}} for number in range(20)]
    stage = Mock(api=Mock(list=Mock(return_value=pods), delete=clock.work))
    stage.wanted.apps = {("leaks-0", "app-0"): None}
    load = leaks.Load(stage=stage, shape=leaks.Shape(minutes=1, times=10), over=Mock(wait=clock.wait))
    load._use(Mock(namespace="leaks-0"))
    assert sum(load.actions.values()) == pytest.approx(35 * load.shape.times / 4, rel=0.1)
    clock.now = 0.0
    load._kill_pods(["leaks-0"])
    assert load.actions["dead Pods"] == pytest.approx(30 * load.shape.times, rel=0.1)


def test_too_small_a_load_fails_the_claim() -> None:
    """Each kind of action has a minimum; restarts of the API server may prevent the rest."""
    held = []
    for share in (0.9, 0.7):
        load = leaks.Load(stage=Mock(), shape=leaks.Shape(least_hours=0.8))
        load.actions |= {kind: int(share * 60 * rate) for kind, rate in leaks.BUSY.items()}
        verdict = Verdict(proof="leaks")
        leaks.judge_load(verdict, load)
        held.append(verdict.holds)
    assert held == [True, False]


def test_the_cost_of_the_edits_alone_is_not_the_operator_s() -> None:
    """A growth by half is too much, but not where the same edits alone cause a third."""
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
    """A round in which everything was slow says nothing about the noise."""
    comparison = neighbours.Comparison(
        noise=noises(missing=1, refused=1)["copied"],
        without=[_window(p95) for p95 in (0.020, 0.040, 0.020)],
        beside=[_window(p95) for p95 in (0.022, 0.044, 0.060)],
    )
    assert comparison.growth == pytest.approx(0.1)


def test_a_silence_in_which_the_quiet_apps_wait_proves_nothing() -> None:
    """They would not be slower beside any noise."""
    verdict = Verdict(proof="neighbours")
    neighbours.judge_silence(verdict, [_window(0.02), _window(0.03)])
    neighbours.judge_silence(verdict, [_window(0.02), _window(13.0)])
    assert [claim.holds for claim in verdict.claims] == [True, False]


def _window(p95: float) -> neighbours.Window:
    return neighbours.Window(p50=0.01, p95=p95, cpu=0.1, queued=0.001)


def test_the_slope_is_in_megabytes_an_hour() -> None:
    """One megabyte more every ten minutes is six an hour."""
    moments = [
        Vitals(at=600.0 * number, rss=80.0 + number, files=1, threads=1, tasks=1, connections=1)
        for number in range(4)
    ]
    assert slope(moments) == pytest.approx(6)
    assert "MB, over minutes" in plot("Memory", [(moment.at / 60, moment.rss) for moment in moments], "MB")
