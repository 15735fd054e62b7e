"""Children outside Kubernetes, kept as they are wanted: in the background, so that no reconcile waits for another API.

The reconcile calls `state`, which answers at once from what is known; `run` lists all objects of the kind once an
interval, carries out what `state` has found to do, and calls `on_change` for the custom objects to which the outcome is
news. It knows no kind: what is wanted is the controller's, how an API is asked is the `Backend`'s. What it remembers
can be lost at any time: the finalizer, the status and the API itself have all that matters.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from operator import eq
from typing import Any, Protocol

from containerapp.core.external import (
    Awaited,
    Found,
    Gone,
    Owner,
    Place,
    Record,
    Refused,
    Standing,
    State,
    Step,
    Taken,
    Want,
    next_step,
    token,
)
from containerapp.core.model import Key
from containerapp.errors import ContainerAppError, Transient

_logger = logging.getLogger(__name__)

WORKERS = 4
"""Objects that are worked on at the same time."""

AUDIT = 10
"""Objects that are read in full after each list, in turn: a list shows neither contents nor owners."""

_STEPS = 6
"""Calls for one object until the next one has its turn; each of them brings it closer to what is wanted."""

_TRANSIENT, _BLOCKED = (2.0, 60.0), (30.0, 300.0)
"""First and longest delay, in seconds, before something that failed is tried again."""


class Backend(Protocol):
    """An API outside Kubernetes, for one kind of object. Calls raise `ContainerAppError`, and may be cancelled."""

    propagation: float
    """Seconds until a new object has an effect everywhere."""

    async def list(self) -> Mapping[Place, Found]:
        """Return all objects there are, without their contents."""

    async def find(self, place: Place) -> Found | None:
        """Return the object at `place` without its content, or None."""

    async def read(self, found: Found) -> Found:
        """Return the object in full; raise `Gone` where it is not there any more."""

    async def create(self, want: Want, owner: Owner, token: str) -> Found:
        """Create an object; raise `Taken` where the place has one. The same `token` creates nothing twice."""

    async def update(self, want: Want, found: Found) -> Found:
        """Give an object the wanted content; raise `Gone` where it is not there any more."""

    async def delete(self, found: Found) -> None:
        """Delete an object; raise `Gone` where it is not there any more."""

    def taken(self, want: Want, found: Found) -> ContainerAppError:
        """Return what to do where `found`, an object of others, is in the place of `want`."""


@dataclass(slots=True, kw_only=True)
class _Ask:
    """What one custom object wants outside, and how that stands. Times are on the monotonic clock."""

    owner: Owner
    want: Want | None
    record: Record | None
    done: bool = False
    """Where nothing is wanted: whether nothing is left."""
    error: ContainerAppError | None = None
    failures: int = 0
    due: float = 0.0


@dataclass(slots=True, kw_only=True)
class _Listing:
    """How the last list went."""

    complete: bool = False
    error: ContainerAppError | None = None
    failures: int = 0


@dataclass(kw_only=True)
class Externals:
    """All objects of one kind. Lives on one event loop, for one term as leader."""

    backend: Backend
    on_change: Callable[[Key], None]
    clock: Callable[[], float]
    now: Callable[[], datetime]
    interval: float
    _asks: dict[Key, _Ask] = field(default_factory=dict)
    _found: dict[Place, Found] = field(default_factory=dict)
    _read_at: dict[str, float] = field(default_factory=dict)
    """When an object was read last, by its id."""
    _effective_at: dict[str, float] = field(default_factory=dict)
    """When a new object has an effect everywhere, by its id."""
    _listing: _Listing = field(default_factory=_Listing)
    _queue: asyncio.Queue[Key] = field(default_factory=asyncio.Queue)
    _queued: set[Key] = field(default_factory=set)
    _wanted: asyncio.Event = field(default_factory=asyncio.Event)
    """Whether there is anything to list for."""

    def state(self, owner: Owner, want: Want | None, record: Record | None) -> State | None:
        """Return how what `owner` wants stands, and begin what brings it closer; None: nothing is wanted, nothing left.

        Where nothing is wanted, what belongs to `owner` is deleted. `forget` ends the interest.
        """
        key = Key(owner.kind, owner.namespace, owner.name)
        ask = self._asks.get(key)
        if ask is None or (ask.owner, ask.want) != (owner, want):
            ask = self._asks[key] = _Ask(owner=owner, want=want, record=record)
        ask.record = record
        self._wanted.set()
        if ask.want is None and ask.done:
            return None
        if (standing := self._standing(ask)) is not None:
            return standing
        if self._listing.complete and self.clock() >= ask.due and key not in self._queued:
            self._queued.add(key)
            self._queue.put_nowait(key)
        error = ask.error or (None if self._listing.complete else self._listing.error)
        return Refused(error=error) if error else Awaited(message=self._message(ask))

    def forget(self, key: Key) -> None:
        """Let go of what a custom object has wanted; to be called when it is gone, or wants nothing outside."""
        self._asks.pop(key, None)
        if not self._asks:
            self._wanted.clear()

    async def run(self) -> None:
        """List, and carry out what `state` finds to do, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for number in range(WORKERS):
                tasks.create_task(self._work(), name=f"external children, worker {number}")
            while True:
                await self._wanted.wait()
                try:
                    pause = await self._list()
                except Exception:
                    _logger.exception("Listing children outside Kubernetes failed by a bug in the operator")
                    pause = _BLOCKED[0]
                await asyncio.sleep(pause)

    def _standing(self, ask: _Ask) -> Standing | Awaited | None:
        """Return how the object stands where it is as it is wanted; None where there is something to do."""
        want = ask.want
        if want is None or self._moves_from(ask):
            return None
        if not self._listing.complete:
            # A restart, and an API that is away, change nothing for what runs.
            return Standing(record=ask.record) if ask.record and want.is_recorded(ask.record) else None
        found = self._found.get(want.place)
        if found is None or next_step(want, ask.record, found, ask.owner) is not Step.NONE:
            return None
        if self.clock() < self._effective_at.get(found.id, 0.0):
            return Awaited(
                message="It was made a moment ago, and takes some seconds to have an effect everywhere."
            )
        return Standing(record=want.record(found.id))

    def _moves_from(self, ask: _Ask) -> Found | None:
        """Return the object that the owner had at another place than the one that is wanted now."""
        if ask.want is None or ask.record is None or ask.record.place == ask.want.place:
            return None
        found = self._found.get(ask.record.place)
        return found if found and found.id == ask.record.id else None

    def _message(self, ask: _Ask) -> str:
        if not self._listing.complete:
            return "Asking what is there already."
        return "It is being deleted." if ask.want is None else "It is being made or changed."

    async def _list(self) -> float:
        """Take a fresh list; return the seconds until the next one."""
        listing = self._listing
        try:
            listed = await self.backend.list()
        except ContainerAppError as error:
            listing.failures += 1
            if listing.error is None or listing.error.reason != error.reason:
                _logger.warning("Children outside Kubernetes are not listed: %s", error)
            listing.error = error
            if not listing.complete:
                self._notify(lambda _place: True)
            return min(_delay(error, listing.failures), self.interval)
        first, changed = not listing.complete, self._take(listed)
        listing.complete, listing.error, listing.failures = True, None, 0
        self._notify(lambda place: first or place in changed)
        await self._audit()
        return self.interval * random.uniform(0.9, 1.1)  # noqa: S311 - spreads load, hides nothing

    def _take(self, listed: Mapping[Place, Found]) -> set[Place]:
        """Take a list for what there is; return the places to which it is news."""
        old = self._found
        self._found = {
            place: old[place] if place in old and old[place].id == item.id else item
            for place, item in listed.items()
        }
        ids = {found.id for found in self._found.values()}
        for times in (self._read_at, self._effective_at):
            for id_ in set(times) - ids:
                del times[id_]
        return {place for place in {*old, *self._found} if old.get(place) is not self._found.get(place)}

    async def _audit(self) -> None:
        """Read a few objects that are as they are wanted, those first that were not read for the longest time."""
        standing = [ask.want.place for ask in self._asks.values() if ask.want and self._standing(ask)]
        known = [self._found[place] for place in standing if place in self._found]
        for found in sorted(known, key=lambda found: self._read_at.get(found.id, 0.0))[:AUDIT]:
            with suppress(ContainerAppError):
                await self._unless_gone(found, self._read(found))
            if self._found.get(found.place, found) != found:
                self._notify(partial(eq, found.place))

    async def _work(self) -> None:
        while True:
            key = await self._queue.get()
            try:
                await self._serve(key)
            except Exception:
                _logger.exception("Work on a child outside Kubernetes failed by a bug in the operator")
                self._fail(
                    key, Transient("Bug", "The operator has a bug; its log has more. It is tried again.")
                )
            finally:
                self._queued.discard(key)
            self.on_change(key)

    async def _serve(self, key: Key) -> None:
        """Do what brings an object closer to what is wanted, and keep what went wrong."""
        ask = self._asks.get(key)
        if ask is None:
            return
        try:
            await self._release(ask)
            if ask.want is not None:
                await self._make(ask, ask.want)
        except ContainerAppError as error:
            self._fail(key, error)
        else:
            ask.done, ask.error, ask.failures = True, None, 0

    def _fail(self, key: Key, error: ContainerAppError) -> None:
        if (ask := self._asks.get(key)) is None:
            return
        ask.failures += 1
        if ask.error is None or ask.error.reason != error.reason:
            _logger.warning("%s: %s: %s", ask.owner, error.reason, error.message)
        delay = _delay(error, ask.failures)
        ask.error, ask.due = error, self.clock() + delay
        asyncio.get_running_loop().call_later(delay, self.on_change, key)

    async def _make(self, ask: _Ask, want: Want) -> None:
        """Bring the object at the place to the wanted content, step by step."""
        for _ in range(_STEPS):
            found = self._found.get(want.place)
            match next_step(want, ask.record, found, ask.owner):
                case Step.CREATE:
                    await self._create(ask, want)
                case Step.READ if found:
                    await self._unless_gone(found, self._read(found))
                case Step.UPDATE if found:
                    await self._unless_gone(found, self._update(want, found))
                case Step.REFUSE if found:
                    raise self.backend.taken(want, found)
                case _:
                    return
        raise Transient("Contested", f"Another client changes what is at {want.place} all the time.")

    async def _create(self, ask: _Ask, want: Want) -> None:
        try:
            found = await self.backend.create(want, ask.owner, token(ask.owner, want, ask.record))
        except Taken:
            existing = await self.backend.find(want.place)
            if existing is not None:
                self._found[want.place] = existing
            return
        _logger.info("Created %s at %s for %s", found.id, want.place, ask.owner)
        self._remember(found)

    async def _update(self, want: Want, found: Found) -> None:
        self._remember(await self.backend.update(want, found))
        _logger.info("Updated %s at %s", found.id, want.place)

    async def _read(self, found: Found) -> None:
        self._remember(await self.backend.read(found))

    async def _release(self, ask: _Ask) -> None:
        """Delete what belongs to the owner and is not wanted (any more).

        A list does not say whose an object is. Where nothing is wanted, those of the owner's namespace are read that no
        other owner has on record: a crash may have left one that is on no record.
        """
        if ask.want is not None:
            moved = self._moves_from(ask)
            candidates = [moved] if moved else []
        else:
            others = {each.record.id for each in self._asks.values() if each is not ask and each.record}
            candidates = [
                found
                for found in self._found.values()
                if found.place.namespace == ask.owner.namespace and found.id not in others
            ]
        for found in candidates:
            await self._unless_gone(found, self._delete(ask, found))

    async def _delete(self, ask: _Ask, found: Found) -> None:
        """Delete an object of the owner; one of others stays."""
        if ask.record is None or ask.record.id != found.id:
            if found.content is None:
                await self._read(found)
            if not ask.owner.is_same(self._found[found.place].owner):
                return
        _logger.info("Deleting %s at %s of %s", found.id, found.place, ask.owner)
        for _ in range(_STEPS):  # until the API says itself that it is gone
            await self.backend.delete(found)
        raise Transient("Deleting", f"{found.id} is still there after its deletion. It is tried again.")

    async def _unless_gone(self, found: Found, call: Coroutine[Any, Any, None]) -> None:
        """Do something with an object; where it is gone, know that."""
        try:
            await call
        except Gone:
            self._found.pop(found.place, None)
            self._notify(partial(eq, found.place))

    def _remember(self, found: Found) -> None:
        """Keep an object that the API has just shown, and when it has an effect everywhere."""
        self._found[found.place] = found
        self._read_at[found.id] = self.clock()
        if found.created is None or found.id in self._effective_at:
            return
        wait = self.backend.propagation - max(0.0, (self.now() - found.created).total_seconds())
        self._effective_at[found.id] = self.clock() + wait
        if wait > 0:
            asyncio.get_running_loop().call_later(wait, self._notify, partial(eq, found.place))

    def _notify(self, concerns: Callable[[Place | None], bool]) -> None:
        """Ask for a reconcile of the custom objects to whose place (None: nothing is wanted) something has happened."""
        for key, ask in list(self._asks.items()):
            if concerns(ask.want.place if ask.want else None):
                ask.due = 0.0
                self.on_change(key)


def _delay(error: ContainerAppError, failures: int) -> float:
    """Return the seconds until something that failed is tried again."""
    shortest, longest = _TRANSIENT if isinstance(error, Transient) else _BLOCKED
    return min(longest, shortest * 2.0 ** min(failures - 1, 10)) * random.uniform(0.9, 1.1)  # noqa: S311 - jitter
