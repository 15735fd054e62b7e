"""The short forms of the proofs that kill the operator or its API server; the long ones are `make endurance`."""

from __future__ import annotations

from random import Random
from unittest.mock import Mock

import pytest

from tests.endurance import kills, outages, standby
from tests.endurance.stage import Stage
from tests.endurance.verdict import Verdict, hold


@pytest.mark.cluster
def test_killed_during_creation_and_update_it_loses_nothing_and_duplicates_nothing(given: Stage) -> None:
    """The next process completes unfinished work, and nothing of a deleted app stays."""
    hold(kills.run(given, kills.Shape(apps=24, kills=4, seeds=(1,)), print))


@pytest.mark.cluster
def test_an_outage_of_the_api_server_needs_no_restart_of_the_operator(given: Stage) -> None:
    """The same process carries out edits from before and after it."""
    hold(outages.run(given, outages.Shape(apps=8, outages=1, seconds=6), print))


@pytest.mark.cluster
def test_two_replicas_never_write_at_the_same_time(given: Stage) -> None:
    """Neither after a kill of the leader nor after a pause, by the API server's audit log."""
    shape = standby.Shape(kills=1, pauses=1, apps=8, lease=(5, 4, 1), margin=15)
    hold(standby.run(given, shape, print))


def test_an_operator_that_ended_by_itself_does_not_count_as_killed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It would be started again unnoticed."""
    monkeypatch.setattr(kills, "_LATEST_STRIKE", 0.0)
    stage = Mock(api=Mock(list=Mock(return_value=[])))
    operator = Mock(running=False)
    with pytest.raises(AssertionError, match="ended by itself"):
        kills._strike(stage, operator, Random(1))  # noqa: S311 - replayable
    operator.start.assert_not_called()


def test_one_claim_that_does_not_hold_is_enough_to_fail() -> None:
    """The command then ends with 1, and the table shows which one."""
    verdict = Verdict(proof="kills")
    held = []
    for claim, holds in (("all converge", True), ("nothing is left", False), ("no bug", True)):
        verdict.add(claim, "measured", holds=holds)
        held.append(verdict.holds)
    assert held == [True, False, False]
    assert "| FAILED | nothing is left | measured |" in str(verdict)
