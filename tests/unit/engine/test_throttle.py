"""How often one object may be written to: `containerapp.engine.throttle`."""

from __future__ import annotations

from itertools import pairwise

import pytest

from containerapp.engine.throttle import BURST, INTERVAL, TokenBucket

ALL_AT_ONCE = [0.0] * int(BURST)


@pytest.fixture
def bucket() -> TokenBucket:
    """The bucket of an object that was not written yet, at 0 seconds."""
    return TokenBucket(since=0.0)


def test_a_quiet_object_may_be_written_four_times_at_once(bucket: TokenBucket) -> None:
    """Then it has to wait."""
    assert [bucket.take(0.0) for _ in range(5)] == [*ALL_AT_ONCE, INTERVAL]


def test_the_seconds_that_are_left_are_those_until_the_next_update(bucket: TokenBucket) -> None:
    """A caller that comes back then gets one, and none before."""
    for _ in ALL_AT_ONCE:
        bucket.take(0.0)
    assert bucket.take(0.0) == pytest.approx(INTERVAL)
    assert bucket.take(8.0) == pytest.approx(INTERVAL - 8.0)
    assert bucket.take(INTERVAL) == 0.0
    assert bucket.take(INTERVAL) == pytest.approx(INTERVAL)


def test_an_object_that_is_changed_continuously_is_written_once_an_interval(bucket: TokenBucket) -> None:
    """However often it is asked for: refusals cost nothing."""
    seconds = [number / 2 for number in range(400)]
    written = [now for now in seconds if not bucket.take(now)]
    assert written[: len(ALL_AT_ONCE)] == [0.0, 0.5, 1.0, 1.5]
    gaps = [b - a for a, b in pairwise(written[4:])]
    assert gaps == pytest.approx([INTERVAL] * len(gaps), abs=0.5)
    assert len(written) == 4 + 200 // INTERVAL - 1


def test_an_object_that_is_changed_once_an_interval_never_waits(bucket: TokenBucket) -> None:
    """For hours."""
    assert not any(bucket.take(number * INTERVAL) for number in range(1000))


def test_a_long_rest_brings_back_no_more_than_four(bucket: TokenBucket) -> None:
    """However long it was."""
    for _ in ALL_AT_ONCE:
        bucket.take(0.0)
    assert [bucket.take(100_000.0) for _ in range(5)] == [*ALL_AT_ONCE, INTERVAL]
