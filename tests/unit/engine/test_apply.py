"""How often one app is written: what rests or follows an autoscaler at once, what never rests seldom."""

from __future__ import annotations

from typing import cast

import pytest

from containerapp.engine.apply import Writer
from containerapp.kube.client import Client
from containerapp.kube.store import Cache
from tests.builders import KEY, Clock

AUTOSCALER_SECONDS = 15.0
"""Between two looks of a HorizontalPodAutoscaler: --horizontal-pod-autoscaler-sync-period."""


@pytest.fixture
def clock() -> Clock:
    """The clock of the writer."""
    return Clock()


@pytest.fixture
def writer(clock: Clock) -> Writer:
    """A writer that has written nothing yet."""
    return Writer(client=cast("Client", None), cache=Cache(), clock=clock)


def test_an_app_that_an_autoscaler_scales_at_every_look_never_waits(writer: Writer, clock: Clock) -> None:
    """For hours."""
    for _ in range(1000):
        assert writer.hold_off(KEY) == 0.0
        clock.now += AUTOSCALER_SECONDS


def test_an_app_that_never_rests_is_written_four_times_and_then_every_ten_seconds(
    writer: Writer, clock: Clock
) -> None:
    """Whoever comes back after the seconds that it was told is served, and no sooner."""
    assert [writer.hold_off(KEY) for _ in range(5)] == [0.0, 0.0, 0.0, 0.0, 10.0]
    clock.now += 4.0
    assert writer.hold_off(KEY) == pytest.approx(6.0)
    clock.now += 6.0
    assert [writer.hold_off(KEY), writer.hold_off(KEY)] == [0.0, 10.0]


def test_the_pause_doubles_up_to_a_minute_while_more_than_one_a_second_is_asked_for(
    writer: Writer, clock: Clock
) -> None:
    """As long as it goes on; asked less often, ten seconds it is again."""
    began, written = clock.now, []
    while clock.now < began + 320.0:
        if not writer.hold_off(KEY):
            written.append(clock.now - began)
        clock.now += 0.5
    assert written == pytest.approx([0, 0.5, 1, 1.5, 10, 30, 70, 130, 190, 250, 310], abs=1.5)
    clock.now += 60.0
    assert writer.hold_off(KEY) == 0.0
    assert 0.0 < writer.hold_off(KEY) <= 10.0


def test_an_app_that_an_autoscaler_scales_is_not_held_off_for_long_because_it_once_did_not_rest(
    writer: Writer, clock: Clock
) -> None:
    """One pause of a minute, at the most."""
    for _ in range(600):
        writer.hold_off(KEY)
        clock.now += 0.5
    waits = []
    for _ in range(40):
        waits.append(writer.hold_off(KEY))
        clock.now += AUTOSCALER_SECONDS
    assert max(waits) <= 60.0
    assert not any(waits[8:])


def test_rest_brings_all_four_back_and_no_more(writer: Writer, clock: Clock) -> None:
    """However long it was."""
    for _ in range(4):
        writer.hold_off(KEY)
    clock.now += 100_000.0
    assert [writer.hold_off(KEY) for _ in range(5)] == [0.0, 0.0, 0.0, 0.0, 10.0]


def test_apps_do_not_share_a_budget_and_a_new_one_has_its_own(writer: Writer) -> None:
    """One that was deleted leaves none of its debts to the next of its name."""
    for _ in range(5):
        writer.hold_off(KEY)
    assert writer.hold_off((KEY[0], "another")) == 0.0
    writer.forget(KEY)
    assert writer.hold_off(KEY) == 0.0
