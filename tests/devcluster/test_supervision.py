"""A run lives exactly as long as somebody holds it, and its components exactly as long as the run."""

from __future__ import annotations

import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from devcluster import DevclusterError
from devcluster.supervision import Component, Supervision

_SLEEP = Component(name="sleep", argv=["sleep", "300"])


def test_a_run_outlives_its_first_holder() -> None:
    """Who joins is counted before the first may leave, however quickly the one follows the other."""
    for _ in range(10):
        first = Supervision.begin(lambda _: [])
        second = Supervision.join(first.run_dir)
        first.release()
        assert second.pids() == {}
        second.release()
        assert not first.run_dir.exists()


def test_joining_a_run_that_ends_fails_or_holds_it() -> None:
    """There is no third outcome: nobody ends up with a cluster that goes away under him."""
    outcomes = set()
    for _ in range(10):
        first = Supervision.begin(lambda _: [])
        with ThreadPoolExecutor(1) as pool:
            leaving = pool.submit(first.release)
            try:
                second = Supervision.join(first.run_dir)
            except DevclusterError:
                outcomes.add("failed")
            else:
                leaving.result()
                assert second.pids() == {}
                second.release()
                outcomes.add("held")
    assert outcomes <= {"failed", "held"}


def test_components_are_stopped_started_paused_and_killed() -> None:
    """The operations that outages are made of."""
    supervision = Supervision.begin(lambda _: [])
    supervision.run(_SLEEP)
    first = supervision.pids()["sleep"]
    supervision.signal("sleep", signal.SIGSTOP)
    supervision.stop("sleep", grace=5)
    assert supervision.pids()["sleep"] == 0
    supervision.start("sleep")
    assert supervision.pids()["sleep"] not in {0, first}
    supervision.signal("sleep", signal.SIGKILL)
    deadline = time.monotonic() + 10
    while supervision.pids()["sleep"]:
        assert time.monotonic() < deadline
    supervision.release()


def test_a_component_that_ignores_the_polite_signal_is_killed() -> None:
    """Stopping ends within the grace period, whatever the component thinks of it."""
    supervision = Supervision.begin(lambda _: [])
    stubborn = Component(
        name="stubborn", argv=["sh", "-c", "trap '' TERM; echo ready; while :; do sleep 1; done"]
    )
    supervision.run(stubborn)
    deadline = time.monotonic() + 10
    while "ready" not in supervision.log_tail("stubborn"):
        assert time.monotonic() < deadline
    supervision.stop("stubborn", grace=0.2)
    assert supervision.pids()["stubborn"] == 0
    supervision.release()


def test_a_program_that_is_not_there_is_told_in_its_log() -> None:
    """The log says what could not be run."""
    supervision = Supervision.begin(lambda _: [])
    supervision.run(Component(name="nothing", argv=["/no/such/program"]))
    deadline = time.monotonic() + 10
    while supervision.pids()["nothing"]:
        assert time.monotonic() < deadline
    assert "cannot run /no/such/program" in supervision.log_tail("nothing")
    supervision.release()


def test_a_run_that_has_ended_cannot_be_joined() -> None:
    """The message names the run."""
    supervision = Supervision.begin(lambda _: [])
    supervision.release()
    with pytest.raises(DevclusterError, match=f"no supervisor serves {supervision.run_dir}"):
        Supervision.join(supervision.run_dir)
