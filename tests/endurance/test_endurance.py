"""The short forms of the proofs that strike the operator; the long ones are `make endurance`."""

from __future__ import annotations

from random import Random
from unittest.mock import Mock

import pytest

from tests.endurance import kills, outages, standby
from tests.endurance.stage import Stage
from tests.endurance.verdict import Verdict, hold


@pytest.mark.cluster
def test_killed_amid_creation_and_update_it_loses_nothing_and_doubles_nothing(given: Stage) -> None:
    """Whatever was half done is done by the next one, and nothing of a deleted app stays."""
    hold(kills.run(given, kills.Shape(apps=24, kills=4, seeds=(1,)), print))


@pytest.mark.cluster
def test_an_outage_of_the_api_server_needs_nobody_to_restart_the_operator(given: Stage) -> None:
    """Edits from before and after it come true in the same process."""
    hold(outages.run(given, outages.Shape(apps=8, outages=1, seconds=6), print))


@pytest.mark.cluster
def test_never_do_two_replicas_write(given: Stage) -> None:
    """Neither after the death of the leader nor after its sleep, by the API server's own log."""
    shape = standby.Shape(kills=1, pauses=1, apps=8, lease=(5, 4, 1), margin=15)
    hold(standby.run(given, shape, print))


def test_an_operator_that_ended_by_itself_is_not_taken_for_one_that_was_killed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It would be started again, and nobody would know."""
    monkeypatch.setattr(kills, "_LATEST_STRIKE", 0.0)
    stage = Mock(api=Mock(list=Mock(return_value=[])))
    operator = Mock(running=False)
    with pytest.raises(AssertionError, match="ended by itself"):
        kills._strike(stage, operator, Random(1))  # noqa: S311 - replayable
    operator.start.assert_not_called()


def test_one_claim_that_does_not_hold_is_enough_to_fail() -> None:
    """The command ends with 1 then, and the table says which one."""
    verdict = Verdict(proof="kills")
    held = []
    for claim, holds in (("all converge", True), ("nothing is left", False), ("no bug", True)):
        verdict.add(claim, "measured", holds=holds)
        held.append(verdict.holds)
    assert held == [True, False, False]
    assert "| FAILED | nothing is left | measured |" in str(verdict)
