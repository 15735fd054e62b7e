"""The work queue: which object is next. One reconcile per key at a time, and some time between two of them.

Filled by the watches, the informers, the digest resolver and the workers' own timers; emptied by the workers of the
manager. It holds keys, never events: what happened is read from the stores.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from containerapp.core.model import Key


@dataclass(kw_only=True)
class WorkQueue:
    """Fair, coalescing queue with delays and one backoff for each key. Times are in seconds.

    `spacing` lies between the beginnings of two reconciles of one key: a rollout comes as a burst of events of which
    the last one says all, and an object that changes continuously must leave the workers to the others. An event of a
    key that has been quiet is not delayed. Keys of low priority wait until there are no others; every fourth turn is
    theirs, so that they do not wait for ever.
    """

    spacing: float = 0.5
    base_delay: float = 0.25
    max_delay: float = 300.0
    clock: Callable[[], float] = time.monotonic
    on_wait: Callable[[float], None] = lambda _seconds: None
    _ready: deque[Key] = field(default_factory=deque)
    _low: dict[Key, float] = field(default_factory=dict)
    """Since when, in order; a dict, because a key leaves from the middle when an event comes for it."""
    _turns: int = 0
    _since: dict[Key, float] = field(default_factory=dict)
    _active: set[Key] = field(default_factory=set)
    _again: set[Key] = field(default_factory=set)
    _timers: dict[Key, asyncio.TimerHandle] = field(default_factory=dict)
    _spaced: dict[Key, asyncio.TimerHandle] = field(default_factory=dict)
    _began: dict[Key, float] = field(default_factory=dict)
    _failures: dict[Key, tuple[float, int]] = field(default_factory=dict)
    """Floor of the last failure, and how many there were since the last success."""
    _wakeup: asyncio.Event = field(default_factory=asyncio.Event)

    def __len__(self) -> int:
        """Count the keys that wait for a worker now."""
        return len(self._ready) + len(self._low)

    def add_low_priority(self, key: Key) -> None:
        """Ask for a reconcile when nothing else waits, unless the key waits already."""
        if key in self._active:
            self._again.add(key)
        elif key not in self._since:
            self._low.setdefault(key, self.clock())
            self._wakeup.set()

    def add(self, key: Key) -> None:
        """Ask for a reconcile as soon as a worker is free and the last one's beginning is `spacing` ago."""
        wait = self._began.get(key, -math.inf) + self.spacing - self.clock()
        if wait <= 0 or key in self._active:
            self._add_now(key)
        elif key not in self._since and key not in self._spaced:
            self._spaced[key] = asyncio.get_running_loop().call_later(wait, self._end_spacing, key)

    def add_after(self, key: Key, delay: float) -> None:
        """Ask for a reconcile in `delay` seconds; an earlier timer wins."""
        loop = asyncio.get_running_loop()
        standing = self._timers.get(key)
        if standing is not None:
            if standing.when() <= loop.time() + delay:
                return
            standing.cancel()
        self._timers[key] = loop.call_later(delay, self._ring, key)

    def retry(self, key: Key, *, floor: float = 0.0) -> float:
        """Ask again after this key's next backoff, at least `floor`; return the delay.

        Exponential from the floor on, with jitter, so that objects which failed together do not return together. A
        failure before the next try is due, caused by an event, does not postpone that try. A failure with another floor
        begins a new backoff.
        """
        last_floor, failures = self._failures.get(key, (floor, 0))
        if last_floor != floor:
            failures = 0
        elif key in self._timers:
            failures = max(0, failures - 1)
        self._failures[key] = floor, failures + 1
        delay = min(self.max_delay, max(floor, self.base_delay * 2.0 ** min(failures, 30)))
        delay = max(floor, delay * random.uniform(0.75, 1.25))  # noqa: S311 - jitter
        standing = self._timers.get(key)
        self.add_after(key, delay)
        if standing is None:
            return delay
        return min(delay, max(0.0, self._timers[key].when() - asyncio.get_running_loop().time()))

    def succeeded(self, key: Key) -> None:
        """End the key's backoff and its timer: the reconcile has seen all that they were for."""
        self._failures.pop(key, None)
        if (timer := self._timers.pop(key, None)) is not None:
            timer.cancel()

    def forget(self, key: Key) -> None:
        """Drop all that is known of a key whose object is gone."""
        self.succeeded(key)
        self._began.pop(key, None)

    async def get(self) -> Key:
        """Wait for the next key; hand it back with `done`."""
        while not len(self):
            self._wakeup.clear()
            await self._wakeup.wait()
        key, since = self._next()
        self._began[key] = now = self.clock()
        self.on_wait(now - since)
        self._active.add(key)
        return key

    def done(self, key: Key) -> None:
        """End the reconcile of `key`; events that arrived meanwhile make one more."""
        self._active.discard(key)
        if key in self._again:
            self._again.discard(key)
            self.add(key)

    def close(self) -> None:
        """Cancel all timers."""
        for timers in (self._timers, self._spaced):
            for timer in timers.values():
                timer.cancel()
            timers.clear()

    def _next(self) -> tuple[Key, float]:
        """Take the next key out, and since when it has waited."""
        self._turns += 1
        if self._low and (not self._ready or self._turns % 4 == 0):
            key = next(iter(self._low))
            return key, self._low.pop(key)
        key = self._ready.popleft()
        return key, self._since.pop(key)

    def _ring(self, key: Key) -> None:
        del self._timers[key]
        self.add(key)

    def _end_spacing(self, key: Key) -> None:
        del self._spaced[key]
        self._add_now(key)

    def _add_now(self, key: Key) -> None:
        if key in self._active:
            self._again.add(key)
        elif key not in self._since:
            self._since[key] = self._low.pop(key, self.clock())
            self._ready.append(key)
            self._wakeup.set()
