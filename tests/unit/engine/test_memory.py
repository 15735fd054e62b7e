"""What is remembered of one custom object, and for how long: `containerapp.engine.memory`."""

from __future__ import annotations

from containerapp.core.model import Event
from containerapp.engine.memory import Memories
from tests.builders import KEY, OTHER_UID, app_manifest


def test_an_object_keeps_its_memory() -> None:
    """From the first reconcile on."""
    memories = Memories()
    first, is_new = memories.of(KEY, app_manifest(), 100.0)
    assert is_new
    assert (first.since, first.bucket.since) == (100.0, 100.0)
    assert memories.of(KEY, app_manifest(generation=2, resourceVersion="2"), 200.0) == (first, False)


def test_another_object_of_the_name_has_its_own_memory() -> None:
    """It has no debts of the former one, and its first event is one."""
    memories = Memories()
    former, _ = memories.of(KEY, app_manifest(), 100.0)
    former.event = Event(type="Normal", reason="RolledOut", message="It runs."), 1
    for _ in range(4):
        former.bucket.take(100.0)
    gone, is_new = memories.of(KEY, None, 200.0)
    assert (gone.uid, gone.since, is_new) == (None, 200.0, True)
    assert memories.of(KEY, None, 250.0) == (gone, False)
    successor, is_new = memories.of(KEY, app_manifest(uid=OTHER_UID), 300.0)
    assert is_new
    assert successor.event is None
    assert successor.bucket.take(300.0) == 0.0


def test_what_is_dropped_begins_again() -> None:
    """To drop it twice does no harm."""
    memories = Memories()
    memories.of(KEY, None, 100.0)
    memories.drop(KEY)
    memories.drop(KEY)
    memory, is_new = memories.of(KEY, None, 200.0)
    assert (memory.since, is_new) == (200.0, True)


def test_what_the_pods_of_a_former_rollout_said_is_forgotten() -> None:
    """The next rollout asks at once, and at short intervals again."""
    memory, fresh = (Memories().of(KEY, app_manifest(), 0.0)[0] for _ in range(2))
    memory.pods_asked_at, memory.pods_interval, memory.finding = 50.0, 40.0, "ImagePullBackOff"
    assert memory != fresh
    memory.forget_pods(None)
    assert memory == fresh
