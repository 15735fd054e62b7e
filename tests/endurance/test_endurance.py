"""The short forms of the proofs; the long ones are `make endurance`.

What needs hours or a quiet machine to be seen (memory, latencies) is bounded loosely here, everything else as there.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

import devcluster
from tests.endurance import kills, leaks, neighbours, outages, standby
from tests.endurance.stage import Stage, stage
from tests.endurance.verdict import Verdict
from tests.endurance.vitals import Vitals, plot, slope


@pytest.fixture(scope="module")
def cluster() -> Iterator[devcluster.Cluster]:
    """A cluster of these tests' own: its API server is stopped."""
    with devcluster.start(devcluster.Options(nodes=devcluster.Kwok(count=3), audit=True)) as cluster:
        yield cluster


@pytest.fixture
def given(cluster: devcluster.Cluster, tmp_path: Path) -> Iterator[Stage]:
    """The installed operator, not running."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    with stage(cluster, tmp_path) as given:
        yield given


def _hold(verdict: Verdict) -> None:
    assert verdict.claims
    assert verdict.holds, f"\n{verdict}"


@pytest.mark.cluster
def test_killed_amid_creation_and_update_it_loses_nothing_and_doubles_nothing(given: Stage) -> None:
    """Whatever was half done is done by the next one, and nothing of a deleted app stays."""
    _hold(kills.run(given, kills.Shape(apps=24, kills=4, seeds=(1,)), print))


@pytest.mark.cluster
def test_an_outage_of_the_api_server_needs_nobody_to_restart_the_operator(given: Stage) -> None:
    """Edits from before and after it come true in the same process."""
    _hold(outages.run(given, outages.Shape(apps=8, outages=1, seconds=6), print))


@pytest.mark.cluster
def test_never_do_two_replicas_write(given: Stage) -> None:
    """Neither after the death of the leader nor after its sleep, by the API server's own log."""
    shape = standby.Shape(kills=1, pauses=1, apps=8, lease=(5, 4, 1), margin=15)
    _hold(standby.run(given, shape, print))


@pytest.mark.cluster
def test_bad_apps_cost_a_bounded_number_of_requests(given: Stage) -> None:
    """An app that never settles is served as seldom as it must be, and the others are served on."""
    shape = neighbours.Shape(
        noises=("noisy", "refused", "war"), apps=20, rounds=1, seconds=5, refused=5, most_growth=9,
    )  # fmt: skip
    _hold(neighbours.run(given, shape, print))


@pytest.mark.cluster
def test_nothing_is_held_that_was_not_held_before(given: Stage) -> None:
    """No task, file, thread or connection is left over from apps that are gone or from watches that broke."""
    shape = leaks.Shape(minutes=0.4, apps=16, interval=2, restart_every=12, quiet=5, most_growth=10_000)
    _hold(leaks.run(given, shape, print))


def test_the_slope_is_told_in_megabytes_an_hour() -> None:
    """One megabyte more every ten minutes is six an hour."""
    moments = [
        Vitals(at=600.0 * number, rss=80.0 + number, files=1, threads=1, tasks=1, connections=1)
        for number in range(4)
    ]
    assert slope(moments) == pytest.approx(6)
    assert "MB, over minutes" in plot("Memory", [(moment.at / 60, moment.rss) for moment in moments], "MB")


def test_one_claim_that_does_not_hold_is_enough_to_fail() -> None:
    """The command ends with 1 then, and the table says which one."""
    verdict = Verdict(proof="kills")
    held = []
    for claim, holds in (("all converge", True), ("nothing is left", False), ("no bug", True)):
        verdict.add(claim, "measured", holds=holds)
        held.append(verdict.holds)
    assert held == [True, False, False]
    assert "| FAILED | nothing is left | measured |" in str(verdict)
