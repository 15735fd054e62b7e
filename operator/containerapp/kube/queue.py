"""The work queue: which app is next. One reconcile per app at a time, and none hard upon the last one's heels.

Filled by kopf's watch, the reflectors, the digest resolver and by the workers' own wishes to come back; emptied by the
workers in main. Keys only, never events: what happened is read from the cache.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from containerapp.core.model import AppKey


@dataclass(kw_only=True)
class WorkQueue:
    """Fair, coalescing queue with delays and a backoff for each key. Times are in seconds.

    `spacing` lies between the beginnings of two reconciles of one key: a rollout comes as a burst of events, of which
    the last tells all, and an app that changes without end must not take the workers from the others. What happens to
    a key that has been quiet is not delayed. What is merely to be looked over, as all of a list is when a replica
    begins to lead, waits until nothing has happened to others; lest it wait for ever, every fourth turn is its own.
    """

    spacing: float = 0.5
    base_delay: float = 0.25
    max_delay: float = 300.0
    clock: Callable[[], float] = time.monotonic
    on_wait: Callable[[float], None] = lambda _seconds: None
    _ready: deque[AppKey] = field(default_factory=deque)
    _overview: dict[AppKey, float] = field(default_factory=dict)
    """Since when, in order; a dict, for a key leaves it from the midst when something happens to it."""
    _turns: int = 0
    _since: dict[AppKey, float] = field(default_factory=dict)
    _active: set[AppKey] = field(default_factory=set)
    _again: set[AppKey] = field(default_factory=set)
    _timers: dict[AppKey, asyncio.TimerHandle] = field(default_factory=dict)
    _spaced: dict[AppKey, asyncio.TimerHandle] = field(default_factory=dict)
    _began: dict[AppKey, float] = field(default_factory=dict)
    _failures: dict[AppKey, dict[float, int]] = field(default_factory=dict)
    """How many there were since the last success, by floor; the floor of the last failure is the last."""
    _wakeup: asyncio.Event = field(default_factory=asyncio.Event)

    def __len__(self) -> int:
        """Count the keys that wait for a worker now."""
        return len(self._ready) + len(self._overview)

    def look_over(self, key: AppKey) -> None:
        """Ask for a reconcile when there is nothing better to do, unless one is asked for already."""
        if key in self._active:
            self._again.add(key)
        elif key not in self._since:
            self._overview.setdefault(key, self.clock())
            self._wakeup.set()

    def add(self, key: AppKey) -> None:
        """Ask for a reconcile as soon as a worker is free and the last one's beginning is `spacing` ago."""
        wait = self._began.get(key, -math.inf) + self.spacing - self.clock()
        if wait <= 0 or key in self._active:
            self._add_now(key)
        elif key not in self._since and key not in self._spaced:
            self._spaced[key] = asyncio.get_running_loop().call_later(wait, self._end_spacing, key)

    def add_after(self, key: AppKey, delay: float) -> None:
        """Ask for a reconcile in `delay` seconds; an earlier wish that stands wins."""
        loop = asyncio.get_running_loop()
        standing = self._timers.get(key)
        if standing is not None:
            if standing.when() <= loop.time() + delay:
                return
            standing.cancel()
        self._timers[key] = loop.call_later(delay, self._ring, key)

    def retry(self, key: AppKey, *, floor: float = 0.0) -> float:
        """Ask again after this key's next backoff, at least `floor`; return the delay chosen.

        Exponential with jitter, so that apps which failed together do not come back together. A failure before the
        next try is due, brought about by an event, puts that try off no further. Each floor has a backoff of its own:
        what passes by itself is not put off because something to be mended came before, nor the other way round.
        """
        counts, standing = self._failures.setdefault(key, {}), self._timers.get(key)
        if standing is not None and counts and next(reversed(counts)) == floor:
            return max(0.0, standing.when() - asyncio.get_running_loop().time())
        failures = counts.pop(floor, 0)
        counts[floor] = failures + 1
        delay = min(self.max_delay, max(floor, self.base_delay) * 2.0 ** min(failures, 30))
        delay *= random.uniform(0.75, 1.25)  # noqa: S311 - jitter
        self.add_after(key, delay)
        return delay

    def succeeded(self, key: AppKey) -> None:
        """End the key's backoff; whatever it wanted to come back for has been looked at."""
        self._failures.pop(key, None)
        if (timer := self._timers.pop(key, None)) is not None:
            timer.cancel()

    def forget(self, key: AppKey) -> None:
        """Drop all that is known of an app that is gone."""
        self.succeeded(key)
        self._began.pop(key, None)

    async def get(self) -> AppKey:
        """Wait for the next key; hand it back with `done`."""
        while not len(self):
            self._wakeup.clear()
            await self._wakeup.wait()
        key, since = self._next()
        self._began[key] = now = self.clock()
        self.on_wait(now - since)
        self._active.add(key)
        return key

    def done(self, key: AppKey) -> None:
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

    def _next(self) -> tuple[AppKey, float]:
        """Take the next key out, and since when it has waited."""
        self._turns += 1
        if self._overview and (not self._ready or self._turns % 4 == 0):
            key = next(iter(self._overview))
            return key, self._overview.pop(key)
        key = self._ready.popleft()
        return key, self._since.pop(key)

    def _ring(self, key: AppKey) -> None:
        del self._timers[key]
        self.add(key)

    def _end_spacing(self, key: AppKey) -> None:
        del self._spaced[key]
        self._add_now(key)

    def _add_now(self, key: AppKey) -> None:
        if key in self._active:
            self._again.add(key)
        elif key not in self._since:
            self._since[key] = self._overview.pop(key, self.clock())
            self._ready.append(key)
            self._wakeup.set()
