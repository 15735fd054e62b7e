"""What counts as a fault: only what has struck somebody."""

from __future__ import annotations

from threading import Event
from unittest.mock import Mock

import pytest

from tests.chaos.faults import Faults, MissedError
from tests.chaos.plan import Step
from tests.controller.api import ApiError

_GONE = ApiError(404, "there is no such object")


def _operator(*, runs: bool) -> Mock:
    return Mock(running=runs, _process=Mock(poll=Mock(return_value=None if runs else 1)))


def _faults(*operators: Mock, patch: object = None) -> Faults:
    over = Event()
    over.set()
    return Faults(
        cluster=Mock(),
        operators=list(operators),
        network=Mock(),
        registry=Mock(),
        api=Mock(delete=Mock(side_effect=_GONE), patch=Mock(side_effect=patch)),
        over=over,
    )


@pytest.mark.parametrize("deed", ["kill-operator", "stop-operator", "pause-operator", "kill-all-operators"])
def test_a_fault_that_finds_no_operator_is_missed(deed: str) -> None:
    """It is counted as none, and nobody is taken for struck."""
    faults = _faults(_operator(runs=False))
    with pytest.raises(MissedError):
        faults.strike(Step(at=0, lane="operator", deed=deed, target="0", value=0.0))
    assert not faults.struck


def test_to_kill_all_operators_means_those_that_run() -> None:
    """One that is being started anew is no reason to leave the other alone."""
    ended, alive = _operator(runs=False), _operator(runs=True)
    _faults(ended, alive).strike(Step(at=0, lane="operator", deed="kill-all-operators"))
    ended._process.send_signal.assert_not_called()
    alive._process.send_signal.assert_called_once()


@pytest.mark.parametrize("deed", ["delete-child", "fight"])
def test_a_meddling_that_the_api_server_does_not_take_is_missed(deed: str) -> None:
    """There was no such child, or nobody to ask."""
    with pytest.raises(MissedError, match="no such object"):
        _faults(patch=_GONE).strike(Step(at=0, lane="meddler", deed=deed, target="shop/web", value=0))


def test_a_fight_that_had_begun_counts() -> None:
    """The child may be gone before it is over."""
    faults = _faults(patch=[None, None, _GONE])
    faults.strike(Step(at=0, lane="meddler", deed="fight", target="shop/web"))
