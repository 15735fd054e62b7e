"""Which app is next, how often and when: `containerapp.kube.queue`."""

from __future__ import annotations

import asyncio

import pytest

from containerapp.core.model import AppKey
from containerapp.kube.queue import WorkQueue
from tests.builders import Clock

A, B = ("default", "a"), ("default", "b")


@pytest.fixture
def clock() -> Clock:
    """The clock of the queue."""
    return Clock()


@pytest.fixture
def waits() -> list[float]:
    """How long each key has waited for its worker."""
    return []


@pytest.fixture
async def queue(clock: Clock, waits: list[float]) -> WorkQueue:
    """An empty queue."""
    return WorkQueue(clock=clock, on_wait=waits.append)


@pytest.fixture
def no_jitter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every delay is exactly what the backoff says."""
    monkeypatch.setattr("random.uniform", lambda low, high: (low + high) / 2)


def _timers(queue: WorkQueue) -> dict[AppKey, float]:
    now = asyncio.get_running_loop().time()
    return {key: timer.when() - now for key, timer in queue._timers.items()}


def _failing(queue: WorkQueue, times: int, *, floor: float = 0.0) -> list[float]:
    """The delays of tries that all fail, each when it was due."""
    delays = []
    for _ in range(times):
        delays.append(queue.retry(A, floor=floor))
        queue._timers.pop(A).cancel()
    return delays


async def test_hands_out_keys_in_the_order_of_their_events(queue: WorkQueue) -> None:
    """Fair: a busy app does not overtake one that waits."""
    queue.add(A)
    queue.add(B)
    queue.add(A)
    assert len(queue) == 2
    assert [await queue.get(), await queue.get()] == [A, B]
    assert len(queue) == 0


async def test_tells_how_long_a_key_has_waited(queue: WorkQueue, clock: Clock, waits: list[float]) -> None:
    """From the first of the events that were coalesced."""
    queue.add(A)
    clock.now += 2
    queue.add(A)
    clock.now += 1
    await queue.get()
    assert waits == [3.0]


async def test_an_app_is_never_in_two_reconciles_at_once(queue: WorkQueue, clock: Clock) -> None:
    """Events that arrive meanwhile, however many, make one more reconcile afterwards."""
    queue.add(A)
    await queue.get()
    queue.add(A)
    queue.add(A)
    assert len(queue) == 0
    clock.now += queue.spacing
    queue.done(A)
    assert len(queue) == 1
    assert await queue.get() == A
    queue.done(A)
    assert len(queue) == 0


async def test_a_worker_waits_until_there_is_work(queue: WorkQueue) -> None:
    """Several workers wait; each key wakes one of them."""
    workers = [asyncio.create_task(queue.get()) for _ in range(2)]
    await asyncio.sleep(0)
    queue.add(A)
    await asyncio.wait(workers, return_when=asyncio.FIRST_COMPLETED)
    assert [worker.done() for worker in workers].count(True) == 1
    queue.add(B)
    assert sorted(await asyncio.gather(*workers)) == [A, B]


async def test_comes_back_after_a_delay(queue: WorkQueue) -> None:
    """A wish to come back needs no event."""
    queue.add_after(A, 0.01)
    assert len(queue) == 0
    assert await asyncio.wait_for(queue.get(), 5) == A
    assert _timers(queue) == {}


@pytest.mark.parametrize(("delays", "kept"), [((60, 5), 5), ((5, 60), 5), ((5, 5), 5)])
async def test_the_earliest_wish_wins(queue: WorkQueue, delays: tuple[float, float], kept: float) -> None:
    """One timer an app, however many wishes."""
    for delay in delays:
        queue.add_after(A, delay)
    assert _timers(queue) == {A: pytest.approx(kept, abs=1)}
    queue.close()


async def test_a_wish_that_was_outdone_does_not_ring_as_well(queue: WorkQueue) -> None:
    """One reconcile answers both."""
    queue.add_after(A, 0.03)
    queue.add_after(A, 0.01)
    queue.done(await asyncio.wait_for(queue.get(), 5))
    await asyncio.sleep(0.05)
    assert len(queue) == 0


async def test_a_timer_that_rings_during_a_reconcile_makes_one_more(queue: WorkQueue, clock: Clock) -> None:
    """It is an event like any other."""
    queue.add(A)
    await queue.get()
    queue.add_after(A, 0)
    await asyncio.sleep(0.01)
    assert len(queue) == 0
    clock.now += queue.spacing
    queue.done(A)
    assert len(queue) == 1


@pytest.mark.usefixtures("no_jitter")
async def test_backs_off_exponentially_up_to_a_bound(queue: WorkQueue) -> None:
    """Each failure doubles the delay, until it is long enough to wait for a person."""
    delays = _failing(queue, 40)
    assert delays[:5] == [0.25, 0.5, 1.0, 2.0, 4.0]
    assert delays[-1] == max(delays) == 300.0
    assert queue.retry(B) == 0.25
    queue.close()


@pytest.mark.usefixtures("no_jitter")
async def test_a_success_ends_the_backoff(queue: WorkQueue) -> None:
    """The next failure is a first one again."""
    queue.retry(A)
    queue.retry(A)
    queue.succeeded(A)
    assert queue.retry(A) == 0.25
    queue.close()


@pytest.mark.usefixtures("no_jitter")
async def test_a_floor_raises_the_whole_backoff(queue: WorkQueue) -> None:
    """What somebody else must mend is not asked for every second; nor sooner than the other side has said."""
    assert _failing(queue, 5, floor=30.0) == [30.0, 60.0, 120.0, 240.0, 300.0]
    queue.close()


@pytest.mark.usefixtures("no_jitter")
async def test_a_failure_before_the_next_try_is_due_puts_it_off_no_further(queue: WorkQueue) -> None:
    """Events bring reconciles that fail like the one before them; they must not wear out the backoff."""
    queue.retry(A, floor=30.0)
    assert all(29.0 < queue.retry(A, floor=30.0) <= 30.0 for _ in range(20))
    assert 29.0 < _timers(queue)[A] <= 30.0
    queue.close()


@pytest.mark.usefixtures("no_jitter")
async def test_failures_of_two_kinds_have_a_backoff_each(queue: WorkQueue) -> None:
    """An edit that meets a passing fault does not wait for what was refused before; and both grow in turn."""
    assert _failing(queue, 3, floor=30.0) == [30.0, 60.0, 120.0]
    assert queue.retry(A, floor=30.0) == 240.0
    assert queue.retry(A) == 0.25
    assert _timers(queue)[A] <= 0.25
    queue._timers.pop(A).cancel()
    assert _failing(queue, 1, floor=30.0) == [300.0]
    assert _failing(queue, 2, floor=0.0) == [0.5, 1.0]
    queue.succeeded(A)
    assert queue.retry(A, floor=30.0) == 30.0
    queue.close()


async def test_jitter_keeps_apps_that_failed_together_apart(queue: WorkQueue) -> None:
    """A quarter to either side, so that an API server that recovers is not hit by all at once."""
    delays = {queue.retry(("default", f"app-{number}")) for number in range(50)}
    assert len(delays) > 40
    assert all(0.1875 <= delay <= 0.3125 for delay in delays)
    queue.close()


@pytest.mark.usefixtures("no_jitter")
async def test_an_app_that_is_gone_is_forgotten(queue: WorkQueue) -> None:
    """Neither its timer nor its failures outlive it; to forget it twice does no harm."""
    queue.retry(A)
    queue.retry(A)
    queue.forget(A)
    queue.forget(A)
    assert _timers(queue) == {}
    assert queue.retry(A) == 0.25
    queue.close()


async def test_a_burst_of_events_makes_one_reconcile_when_the_last_one_is_long_enough_ago(
    clock: Clock,
) -> None:
    """The first event is dealt with at once; those that follow wait together, and delay nobody else."""
    queue = WorkQueue(clock=clock, spacing=0.02)
    queue.add(A)
    assert await queue.get() == A
    queue.done(A)
    for _ in range(5):
        queue.add(A)
    queue.add(B)
    assert await queue.get() == B
    assert len(queue) == 0
    clock.now += 0.02
    assert await asyncio.wait_for(queue.get(), 5) == A
    queue.done(A)
    assert len(queue) == 0


async def test_what_happens_to_a_quiet_app_is_not_delayed(queue: WorkQueue, clock: Clock) -> None:
    """Spacing is measured from the last reconcile's beginning."""
    queue.add(A)
    queue.done(await queue.get())
    clock.now += queue.spacing
    queue.add(A)
    assert len(queue) == 1


async def test_an_event_that_was_put_off_until_during_a_reconcile_makes_one_more(clock: Clock) -> None:
    """A wish of the app's own may have come first."""
    queue = WorkQueue(clock=clock, spacing=0.02)
    queue.add(A)
    queue.done(await queue.get())
    queue.add(A)
    clock.now += 0.02
    queue.add(A)
    assert await queue.get() == A
    await asyncio.sleep(0.05)
    assert len(queue) == 0
    clock.now += 0.02
    queue.done(A)
    assert await queue.get() == A


async def test_a_success_cancels_what_an_earlier_reconcile_wanted_to_come_back_for(queue: WorkQueue) -> None:
    """The newest reconcile has seen all there is, and says by itself whether to come back."""
    queue.add_after(A, 0.01)
    queue.succeeded(A)
    await asyncio.sleep(0.03)
    assert len(queue) == 0


async def test_what_happens_to_an_app_goes_before_what_is_to_be_looked_over(queue: WorkQueue) -> None:
    """A replica that begins to lead looks at thousands of apps; the one just edited waits for none."""
    for name in "xyz":
        queue.look_over(("default", name))
    queue.add(A)
    queue.add(("default", "z"))
    assert len(queue) == 4
    assert [(await queue.get())[1] for _ in range(4)] == ["a", "z", "x", "y"]


async def test_what_is_to_be_looked_over_is_not_forgotten_over_what_happens(queue: WorkQueue) -> None:
    """However much happens, every fourth turn is its own."""
    for name in "xy":
        queue.look_over(("default", name))
    for number in range(7):
        queue.add(("default", str(number)))
    assert "".join([(await queue.get())[1] for _ in range(9)]) == "012x345y6"


async def test_nothing_is_looked_over_that_is_looked_at_anyway(queue: WorkQueue) -> None:
    """One reconcile that has not begun is enough; one that runs may have looked before the list came."""
    queue.add(A)
    queue.look_over(A)
    assert await queue.get() == A
    assert len(queue) == 0
    queue.look_over(A)
    queue.spacing = 0
    queue.done(A)
    assert await queue.get() == A
    assert len(queue) == 0


async def test_a_worker_wakes_up_to_look_over(queue: WorkQueue) -> None:
    """Also when it has been waiting."""
    waiting = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    queue.look_over(A)
    assert await asyncio.wait_for(waiting, 1) == A


async def test_closing_cancels_all_timers(queue: WorkQueue) -> None:
    """Nothing rings after the end."""
    queue.spacing = 0.01
    queue.add(A)
    queue.done(await queue.get())
    queue.add(A)
    queue.add_after(A, 0.01)
    queue.add_after(B, 0.01)
    queue.close()
    await asyncio.sleep(0.03)
    assert len(queue) == 0
