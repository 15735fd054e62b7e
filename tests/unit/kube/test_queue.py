"""Which key is next, how often and when: `containerapp.kube.queue`."""

from __future__ import annotations

import asyncio

import pytest

from containerapp.core.model import Key
from containerapp.kube.queue import WorkQueue
from tests.builders import Clock


def _key(name: str) -> Key:
    return Key("ContainerApp", "default", name)


A, B = _key("a"), _key("b")


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


def _timers(queue: WorkQueue) -> dict[Key, float]:
    now = asyncio.get_running_loop().time()
    return {key: timer.when() - now for key, timer in queue._timers.items()}


def _failing(queue: WorkQueue, times: int, *, floor: float = 0.0) -> list[float]:
    """Return the delays of tries that all fail, each when it was due."""
    delays = []
    for _ in range(times):
        delays.append(queue.retry(A, floor=floor))
        queue._timers.pop(A).cancel()
    return delays


async def test_hands_out_keys_in_the_order_of_their_events(queue: WorkQueue) -> None:
    """Fair: a busy object does not overtake one that waits."""
    queue.add(A)
    queue.add(B)
    queue.add(A)
    assert len(queue) == 2
    assert [await queue.get(), await queue.get()] == [A, B]
    assert len(queue) == 0


async def test_reports_how_long_a_key_has_waited(queue: WorkQueue, clock: Clock, waits: list[float]) -> None:
    """From the first of the events that were coalesced."""
    queue.add(A)
    clock.now += 2
    queue.add(A)
    clock.now += 1
    await queue.get()
    assert waits == [3.0]


async def test_a_key_is_never_in_two_reconciles_at_once(queue: WorkQueue, clock: Clock) -> None:
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


async def test_a_timer_needs_no_event(queue: WorkQueue) -> None:
    """A delay ends in a reconcile."""
    queue.add_after(A, 0.01)
    assert len(queue) == 0
    assert await asyncio.wait_for(queue.get(), 5) == A
    assert _timers(queue) == {}


@pytest.mark.parametrize(("delays", "kept"), [((60, 5), 5), ((5, 60), 5), ((5, 5), 5)])
async def test_the_earliest_timer_wins(queue: WorkQueue, delays: tuple[float, float], kept: float) -> None:
    """A key has one timer."""
    for delay in delays:
        queue.add_after(A, delay)
    assert _timers(queue) == {A: pytest.approx(kept, abs=1)}
    queue.close()


async def test_a_timer_that_was_replaced_does_not_ring(queue: WorkQueue) -> None:
    """One reconcile is enough for both."""
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
    """Each failure doubles the delay, until it is long enough for a person to act."""
    delays = _failing(queue, 40)
    assert delays[:5] == pytest.approx([0.25, 0.5, 1.0, 2.0, 4.0], abs=0.1)
    assert [delays[-1], max(delays)] == pytest.approx([300.0, 300.0], abs=0.1)
    assert queue.retry(B) == pytest.approx(0.25, abs=0.1)
    queue.close()


@pytest.mark.usefixtures("no_jitter")
async def test_a_success_ends_the_backoff(queue: WorkQueue) -> None:
    """The next failure is a first one again."""
    _failing(queue, 5)
    queue.succeeded(A)
    assert queue.retry(A) == pytest.approx(0.25, abs=0.1)
    queue.close()


@pytest.mark.usefixtures("no_jitter")
async def test_no_try_comes_before_the_floor(queue: WorkQueue) -> None:
    """What another team has to mend is not tried every second; beyond the floor the backoff grows as always."""
    delays = _failing(queue, 12, floor=30.0)
    assert delays == pytest.approx([30.0] * 7 + [32.0, 64.0, 128.0, 256.0, 300.0], abs=0.1)
    queue.close()


@pytest.mark.usefixtures("no_jitter")
@pytest.mark.parametrize("floor", [0.0, 30.0])
async def test_a_failure_before_the_next_try_is_due_does_not_postpone_it(
    queue: WorkQueue, floor: float
) -> None:
    """Events cause reconciles that fail like the one before them; they must not use the backoff up."""
    _failing(queue, 7, floor=floor)
    due = queue.retry(A, floor=floor)
    assert all(due - 1.0 < queue.retry(A, floor=floor) <= due for _ in range(20))
    assert due - 1.0 < _timers(queue)[A] <= due
    queue._timers.pop(A).cancel()
    assert queue.retry(A, floor=floor) == pytest.approx(max(floor, 0.25 * 2**8), abs=0.1)
    queue.close()


@pytest.mark.usefixtures("no_jitter")
async def test_a_failure_with_another_floor_begins_a_new_backoff(queue: WorkQueue) -> None:
    """A passing fault after an edit does not wait for what was refused before the edit."""
    _failing(queue, 9, floor=30.0)
    assert queue.retry(A, floor=30.0) == pytest.approx(128.0, abs=0.1)
    assert queue.retry(A) == pytest.approx(0.25, abs=0.1)
    assert _timers(queue)[A] <= 0.25
    queue._timers.pop(A).cancel()
    assert _failing(queue, 2) == pytest.approx([0.5, 1.0], abs=0.1)
    assert _failing(queue, 1, floor=30.0) == pytest.approx([30.0], abs=0.1)
    queue.close()


async def test_jitter_separates_keys_that_failed_together(queue: WorkQueue) -> None:
    """A quarter to either side, so that an API server that recovers does not get all of them at once."""
    delays = {queue.retry(_key(f"app-{number}")) for number in range(50)}
    assert len(delays) > 40
    assert all(0.1875 <= delay <= 0.3125 for delay in delays)
    queue.close()


@pytest.mark.usefixtures("no_jitter")
async def test_a_key_whose_object_is_gone_is_forgotten(queue: WorkQueue) -> None:
    """Its timer, its failures and its last beginning; to forget it twice does no harm."""
    queue.add(A)
    queue.done(await queue.get())
    _failing(queue, 4)
    queue.retry(A)
    queue.forget(A)
    queue.forget(A)
    assert _timers(queue) == {}
    assert queue.retry(A) == pytest.approx(0.25, abs=0.1)
    queue.add(A)
    assert len(queue) == 1, "without spacing"
    queue.close()


async def test_a_burst_of_events_makes_one_reconcile_after_the_spacing(clock: Clock) -> None:
    """The first event is handled at once; those that follow wait together, and delay no other key."""
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


async def test_an_event_of_a_quiet_key_is_not_delayed(queue: WorkQueue, clock: Clock) -> None:
    """Spacing is measured from the beginning of the last reconcile."""
    queue.add(A)
    queue.done(await queue.get())
    clock.now += queue.spacing
    queue.add(A)
    assert len(queue) == 1


async def test_a_spaced_event_that_arrives_during_a_reconcile_makes_one_more(clock: Clock) -> None:
    """Another event came first, after the spacing."""
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


async def test_a_success_cancels_the_timer_of_an_earlier_reconcile(queue: WorkQueue) -> None:
    """The newest reconcile has seen all there is, and decides itself when to come back."""
    queue.add_after(A, 0.01)
    queue.succeeded(A)
    await asyncio.sleep(0.03)
    assert len(queue) == 0


async def test_an_event_goes_before_keys_of_low_priority(queue: WorkQueue) -> None:
    """A replica that begins to lead has thousands of objects to look at; the one just edited waits for none."""
    for name in "xyz":
        queue.add_low_priority(_key(name))
    queue.add(A)
    queue.add(_key("z"))
    assert len(queue) == 4
    assert [(await queue.get()).name for _ in range(4)] == ["a", "z", "x", "y"]


async def test_every_fourth_turn_is_for_low_priority(queue: WorkQueue) -> None:
    """However many events there are."""
    for name in "xy":
        queue.add_low_priority(_key(name))
    for number in range(7):
        queue.add(_key(str(number)))
    assert "".join([(await queue.get()).name for _ in range(9)]) == "012x345y6"


async def test_a_key_that_waits_already_gets_no_low_priority(queue: WorkQueue) -> None:
    """One reconcile that has not begun is enough; one that runs may have read the stores before the list came."""
    queue.add(A)
    queue.add_low_priority(A)
    assert await queue.get() == A
    assert len(queue) == 0
    queue.add_low_priority(A)
    queue.spacing = 0
    queue.done(A)
    assert await queue.get() == A
    assert len(queue) == 0


async def test_the_wait_of_a_key_of_low_priority_counts_from_its_beginning(
    queue: WorkQueue, clock: Clock, waits: list[float]
) -> None:
    """Asked for twice, or by an event later: it has waited since the first time."""
    queue.add_low_priority(A)
    queue.add_low_priority(B)
    clock.now += 2
    queue.add_low_priority(B)
    queue.add(A)
    clock.now += 1
    assert [await queue.get(), await queue.get()] == [A, B]
    assert waits == [3.0, 3.0]


async def test_low_priority_wakes_a_worker(queue: WorkQueue) -> None:
    """Also one that has been waiting."""
    waiting = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    queue.add_low_priority(A)
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
