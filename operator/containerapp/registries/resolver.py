"""Where tags point now: asks registries in the background, so that a reconcile never waits for one.

The reconcile calls `lookup`, which answers at once from what is known and keeps the app's interest; `run`
gathers the questions, asks each repository once for all its tags, asks again at every refresh interval,
retries failures, and calls `on_change` for the apps to which an answer is news. It decides no rollout;
it must never hold more than the living apps ask for, nor lose a known answer to a failure.
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

from containerapp.core.model import Failed, Key, Lookup, Pending, Resolved
from containerapp.errors import ContainerAppError, Transient

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from containerapp.api.images import ImageReference

_LOG = logging.getLogger(__name__)

Answer: TypeAlias = str | ContainerAppError

MAX_LOOKUPS: Final = 32
MAX_LOOKUPS_PER_REGISTRY: Final = 8


class DigestSource(Protocol):
    """A kind of registry that can be asked for digests."""

    async def resolve(self, references: Sequence[ImageReference]) -> Mapping[ImageReference, Answer]:
        """Return for each of `references`, all of one repository, its digest or why it has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Durations, in seconds.

    `gather`: how long questions are collected before they are asked. `refresh`: how often known tags are
    asked for again. `fresh_for`: how old an answer may be that serves an app asking for the first time. Both
    backoffs are (first delay, longest delay); `Transient` failures are retried quickly, all others slowly.
    """

    gather: float = 0.02
    refresh: float = 300.0
    fresh_for: float = 10.0
    transient_backoff: tuple[float, float] = (2.0, 60.0)
    blocked_backoff: tuple[float, float] = (10.0, 300.0)


# What an app has been told: the digest and the failure's reason and message.
_News: TypeAlias = tuple[str | None, tuple[str, str] | None]
# Host and repository: what one call to a registry can answer.
_Repository: TypeAlias = tuple[str, str]


@dataclass(slots=True, kw_only=True)
class _Ask:
    """One app's interest in a tag. Only answers to questions put at `since` or later will do for it."""

    since: float
    request: str | None
    told: _News | None = None


@dataclass(slots=True, kw_only=True)
class _Tag:
    """What is known of one tag. Times are those at which the question was put, not answered."""

    due: float = math.inf
    asks: dict[Key, _Ask] = field(default_factory=dict)
    digest: str | None = None
    resolved_at: float = 0.0
    error: ContainerAppError | None = None
    failed_at: float = 0.0
    failures: int = 0

    def answer(self, ask: _Ask) -> Lookup:
        if self.digest is not None and self.resolved_at >= ask.since:
            return Resolved(digest=self.digest, resolved_at=self.resolved_at, stale_error=self.error)
        if self.error is None or self.failed_at < ask.since:
            return Pending()
        if self.digest is not None and ask.request is None:
            return Resolved(digest=self.digest, resolved_at=self.resolved_at, stale_error=self.error)
        return Failed(error=self.error)


class DigestResolver:
    """Answers where tags point, without ever making the caller wait. Lives on one event loop."""

    def __init__(
        self,
        *,
        ecr: DigestSource,
        others: DigestSource,
        on_change: Callable[[Key], None],
        timing: Timing | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`ecr` is asked about private ECR registries, `others` about all others."""
        self._ecr = ecr
        self._others = others
        self._on_change = on_change
        self._timing = timing or Timing()
        self._clock = clock
        self._tags: dict[_Repository, dict[ImageReference, _Tag]] = {}
        self._asked_by: dict[Key, ImageReference] = {}
        # By registry, a heap of repositories and when they are due. Entries may be out of date, but none is missing.
        self._agenda: dict[str, list[tuple[float, str]]] = {}
        self._running: set[_Repository] = set()
        self._wake = asyncio.Event()

    def lookup(
        self, reference: ImageReference, app: Key, *, request: str | None = None, known: str | None = None
    ) -> Lookup:
        """Return what is known of `reference`, and keep it known for as long as `app` asks for it.

        An app asks for one reference at a time: asking for another lets go of the first.

        Args:
            reference: a reference by tag; one with a digest needs no looking up.
            app: who asks, and is told of changes.
            request: the user's wish for a fresh answer. A value that the app has not given before makes the
                answer `Pending` until a registry has been asked after this moment, `Failed` when that fails.
            known: the digest that the app has already; an answer that says the same is no news to it.
        """
        if reference.digest is not None:
            raise ValueError(f"{reference} has a digest already")
        if self._asked_by.get(app, reference) != reference:
            self.forget(app)
        self._asked_by[app] = reference
        tag, ask = self._register(reference, app, request)
        answer = tag.answer(ask)
        if isinstance(answer, Pending):
            ask.told = (known, None) if known else None
            self._hasten(reference, tag)
        else:
            ask.told = _news(answer)
        return answer

    def forget(self, app: Key) -> None:
        """Let go of what `app` asked for; to be called when it is deleted or names a digest itself."""
        reference = self._asked_by.pop(app, None)
        if reference is None:
            return
        key = (reference.registry, reference.repository)
        tag = self._tags[key][reference]
        del tag.asks[app]
        if not tag.asks:
            del self._tags[key][reference]
        if not self._tags[key]:
            del self._tags[key]

    async def run(self) -> None:
        """Ask registries until cancelled; leaves no task behind."""
        async with asyncio.TaskGroup() as lookups:
            while True:
                next_due = self._start_due(lookups)
                with suppress(TimeoutError):
                    async with asyncio.timeout(None if next_due is None else next_due - self._clock()):
                        await self._wake.wait()
                await asyncio.sleep(self._timing.gather)
                self._wake.clear()

    def _register(self, reference: ImageReference, app: Key, request: str | None) -> tuple[_Tag, _Ask]:
        now = self._clock()
        tags = self._tags.setdefault((reference.registry, reference.repository), {})
        tag = tags.setdefault(reference, _Tag())
        ask = tag.asks.get(app)
        if ask is None:
            since = now - self._timing.fresh_for if request is None else now
            ask = tag.asks[app] = _Ask(since=since, request=request)
        elif request is not None and request != ask.request:
            ask.since, ask.request = now, request
        return tag, ask

    def _hasten(self, reference: ImageReference, tag: _Tag) -> None:
        now = self._clock()
        if tag.due > now:
            tag.due = now
            self._put_on_agenda((reference.registry, reference.repository))
            self._wake.set()

    def _put_on_agenda(self, key: _Repository) -> None:
        due = min(tag.due for tag in self._tags[key].values())
        heappush(self._agenda.setdefault(key[0], []), (due, key[1]))

    def _start_due(self, lookups: asyncio.TaskGroup) -> float | None:
        """Start what is due and has room, the longest due first.

        Return when the next becomes due, or None where only an end or a new question can bring that about.
        """
        now = self._clock()
        busy = Counter(registry for registry, _ in self._running)
        upcoming = []
        for registry, agenda in sorted(self._agenda.items(), key=lambda item: item[1][0]):
            room = min(MAX_LOOKUPS_PER_REGISTRY - busy[registry], MAX_LOOKUPS - len(self._running))
            while room > 0 and agenda and agenda[0][0] <= now:
                _, repository = heappop(agenda)
                room -= self._start((registry, repository), now, lookups)
            if not agenda:
                del self._agenda[registry]
            elif agenda[0][0] > now:
                upcoming.append(agenda[0][0])
        return min(upcoming, default=None)

    def _start(self, key: _Repository, now: float, lookups: asyncio.TaskGroup) -> bool:
        """Ask about a repository, unless its entry on the agenda has been overtaken by events."""
        if key in self._running or key not in self._tags:
            return False
        batch = self._batch(key, now)
        if not batch:
            self._put_on_agenda(key)
            return False
        self._running.add(key)
        lookups.create_task(self._ask_registry(key, batch), name=f"digests of {'/'.join(key)}")
        return True

    def _batch(self, key: _Repository, now: float) -> list[ImageReference]:
        """What is due in the repository, and with it what soon will be: so its refreshes stay together."""
        tags = self._tags[key]
        if all(tag.due > now for tag in tags.values()):
            return []
        soon = now + self._timing.refresh / 5
        return [reference for reference, tag in tags.items() if tag.due <= (now if tag.failures else soon)]

    async def _ask_registry(self, key: _Repository, references: list[ImageReference]) -> None:
        asked_at = self._clock()
        source = self._ecr if references[0].ecr else self._others
        try:
            answers = await source.resolve(references)
        except Exception:  # noqa: BLE001 - one source's defect must not stop the others
            _LOG.exception("Asking %s for digests failed by a defect of the operator", "/".join(key))
            answers = {}
        except asyncio.CancelledError:
            self._running.discard(key)
            self._postpone(key, references)
            raise
        self._running.discard(key)
        self._wake.set()
        jitter = random.uniform(0.9, 1.1)  # noqa: S311 - spreads load, hides nothing
        for reference in references:
            tag = self._tags.get(key, {}).get(reference)
            if tag is not None:
                answer = answers.get(reference) or _no_answer(reference)
                self._record(tag, reference, answer, asked_at)
                self._schedule(tag, asked_at, jitter)
                self._tell(tag)
        if key in self._tags:
            self._put_on_agenda(key)

    def _postpone(self, key: _Repository, references: Sequence[ImageReference]) -> None:
        """Ask again a little later; somebody has cancelled the question."""
        for reference in references:
            if (tag := self._tags.get(key, {}).get(reference)) is not None:
                tag.due = self._clock() + self._timing.transient_backoff[0]
        if key in self._tags:
            self._put_on_agenda(key)
        self._wake.set()

    def _record(self, tag: _Tag, reference: ImageReference, answer: Answer, asked_at: float) -> None:
        if isinstance(answer, str):
            if answer != tag.digest:
                _LOG.info("%s is %s", reference.canonical, answer)
            tag.digest, tag.resolved_at, tag.error, tag.failures = answer, asked_at, None, 0
            return
        if tag.error is None or tag.error.reason != answer.reason:
            _LOG.warning("The digest of %s is not to be had: %s", reference.canonical, answer.message)
        tag.error, tag.failed_at, tag.failures = answer, asked_at, tag.failures + 1

    def _schedule(self, tag: _Tag, asked_at: float, jitter: float) -> None:
        now = self._clock()
        if any(ask.since > asked_at for ask in tag.asks.values()):
            tag.due = now
        elif tag.error is None:
            tag.due = now + self._timing.refresh * jitter
        else:
            tag.due = now + _retry_delay(tag.error, tag.failures, self._timing) * jitter

    def _tell(self, tag: _Tag) -> None:
        for app, ask in list(tag.asks.items()):
            answer = tag.answer(ask)
            if not isinstance(answer, Pending) and _news(answer) != ask.told:
                ask.told = _news(answer)
                self._on_change(app)


def _news(answer: Resolved | Failed) -> _News:
    error = answer.error if isinstance(answer, Failed) else answer.stale_error
    digest = answer.digest if isinstance(answer, Resolved) else None
    return digest, (error.reason, error.message) if error else None


def _no_answer(reference: ImageReference) -> Transient:
    return Transient(
        "RegistryUnavailable",
        f"{reference.registry} gave no answer about {reference.canonical}. It is asked again by itself.",
    )


def _retry_delay(error: ContainerAppError, failures: int, timing: Timing) -> float:
    """Exponential backoff; a registry that names its own delay is heeded, within reason."""
    transient = isinstance(error, Transient)
    first, longest = timing.transient_backoff if transient else timing.blocked_backoff
    delay = min(longest, first * 2.0 ** min(failures - 1, 30))
    if isinstance(error, Transient) and error.retry_after is not None:
        delay = max(delay, min(error.retry_after, timing.blocked_backoff[1]))
    return delay
