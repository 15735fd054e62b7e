"""Where tags point now: asks registries in the background, so that a reconcile never waits for one.

The reconcile calls `lookup`, which answers at once from what is known and keeps the app's interest; `run`
gathers the questions, asks each repository once for all its tags, asks again at every refresh interval,
retries failures, and calls `on_change` for the apps to which an answer is news. It decides no rollout;
it must never hold more than the living apps ask for, nor lose a known answer to a failure.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Final, Protocol, TypeAlias

from containerapp.api.images import ImageReference
from containerapp.core.model import Failed, Key, Lookup, Pending
from containerapp.errors import ContainerAppError, Transient
from containerapp.registries.agenda import Agenda, Repository
from containerapp.registries.policy import Policy
from containerapp.registries.tags import NOT_THERE, Ask, Tag, Timing, news

_LOG = logging.getLogger(__name__)

Answer: TypeAlias = str | ContainerAppError

MAX_BATCH: Final = 16
"""Tags that are asked for at once of a registry that answers them one by one."""
MAX_BATCH_ECR: Final = 100


class DigestSource(Protocol):
    """A kind of registry that can be asked for digests."""

    async def resolve(self, references: Sequence[ImageReference]) -> Mapping[ImageReference, Answer]:
        """Return for each of `references`, all of one repository, its digest or why it has none.

        A reference by digest is answered with that digest where the registry has it.
        """

    async def architectures(self, reference: ImageReference) -> frozenset[str]:
        """Return what the image of a reference by digest is built for, as in `amd64`; none where that is not known.

        Never raises for what a registry does.
        """


class DigestResolver:
    """Answers where tags point, without ever making the caller wait. Lives on one event loop."""

    def __init__(
        self,
        *,
        ecr: DigestSource,
        others: DigestSource,
        on_change: Callable[[Key], None],
        policy: Policy | None = None,
        timing: Timing | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`ecr` is asked about private ECR registries, `others` about all others."""
        self._ecr = ecr
        self._others = others
        self._on_change = on_change
        self._policy = policy or Policy()
        self._timing = timing or Timing()
        self._clock = clock
        self._tags: dict[Repository, dict[ImageReference, Tag]] = {}
        self._asked_by: dict[Key, set[ImageReference]] = {}
        self._agenda = Agenda()
        self._wake = asyncio.Event()

    def lookup(
        self,
        reference: ImageReference,
        app: Key,
        *,
        request: str | None = None,
        known: str | None = None,
        architectures: bool = False,
    ) -> Lookup:
        """Return what is known of `reference`, and keep it known for as long as `app` asks for it.

        An app may ask for several references; `forget` lets go of them.

        Args:
            reference: a reference by tag; one with a digest needs no looking up.
            app: the app that asks; `on_change` is called with it.
            request: the user's wish for a fresh answer. A value that the app has not given before makes the
                answer `Pending` until a registry has been asked after this moment, `Failed` when that fails.
            known: the digest that the app runs; an answer that says the same is no news to it. Where the tag
                points elsewhere, the registry is also asked whether it still has this one (`running_gone`).
            architectures: whether the registry is also asked what the image is built for (`built_for`).
        """
        if reference.digest is not None:
            raise ValueError(f"{reference} has a digest already")
        refusal = self._policy.refusal(reference)
        if refusal is not None:
            return Failed(error=refusal)
        self._asked_by.setdefault(app, set()).add(reference)
        tag, ask = self._register(reference, app, request)
        ask.known, ask.architectures = known, architectures
        answer = tag.answer(ask)
        if tag.lacks_architectures:
            self._hasten(reference, tag)
        if isinstance(answer, Pending):
            ask.reported = (known, None, False, None) if known else None
            self._hasten(reference, tag)
        else:
            ask.reported = news(answer)
        return answer

    def runs_by_tag(self, reference: ImageReference) -> bool:
        """Whether the platform team has the tags of this registry left as they are: there is nothing to look up."""
        return self._policy.runs_by_tag(reference)

    def forget(self, app: Key, *, but: Collection[ImageReference] = ()) -> None:
        """Let go of what `app` asked for, except for some; to be called when it is deleted or asks for others."""
        asked = self._asked_by.pop(app, set())
        if kept := asked.intersection(but):
            self._asked_by[app] = kept
        for reference in asked - kept:
            self._let_go(reference, app)

    def _let_go(self, reference: ImageReference, app: Key) -> None:
        key = _repository(reference)
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

    def _register(self, reference: ImageReference, app: Key, request: str | None) -> tuple[Tag, Ask]:
        now = self._clock()
        tags = self._tags.setdefault(_repository(reference), {})
        tag = tags.setdefault(reference, Tag())
        ask = tag.asks.get(app)
        if ask is None:
            since = now - self._timing.fresh_for if request is None else now
            ask = tag.asks[app] = Ask(since=since, request=request)
            if tag.due <= now:  # it waits already, but not in this namespace's name
                self._agenda.put(_repository(reference), tag.due, {app.namespace})
                self._wake.set()
        elif request is not None and request != ask.request:
            ask.since, ask.request = now, request
        return tag, ask

    def _hasten(self, reference: ImageReference, tag: Tag) -> None:
        now = self._clock()
        if tag.due > now:
            tag.due = now
            self._put_on_agenda(_repository(reference))
            self._wake.set()

    def _put_on_agenda(self, key: Repository) -> None:
        tags = self._tags[key].values()
        namespaces = {app.namespace for tag in tags for app in tag.asks}
        self._agenda.put(key, min(tag.due for tag in tags), namespaces)

    def _start_due(self, lookups: asyncio.TaskGroup) -> float | None:
        """Start what is due and has room; return when the next becomes due, if time alone brings that about."""
        now = self._clock()
        return self._agenda.start_due(now, lambda key: self._start(key, now, lookups))

    def _start(self, key: Repository, now: float, lookups: asyncio.TaskGroup) -> bool:
        """Ask about a repository, unless its entry on the agenda has been overtaken by events."""
        if key not in self._tags:
            return False
        batch = self._batch(key, now)
        if not batch:
            self._put_on_agenda(key)
            return False
        lookups.create_task(self._ask_registry(key, batch), name=f"digests of {'/'.join(key)}")
        return True

    def _batch(self, key: Repository, now: float) -> list[ImageReference]:
        """What is due in the repository, and with it what soon will be: so its refreshes stay together."""
        tags = self._tags[key]
        if all(tag.due > now for tag in tags.values()):
            return []
        soon = now + self._timing.refresh / 5
        due = [reference for reference, tag in tags.items() if tag.due <= (now if tag.failures else soon)]
        limit = MAX_BATCH_ECR if due[0].ecr else MAX_BATCH
        return sorted(due, key=lambda reference: tags[reference].due)[:limit]

    async def _ask_registry(self, key: Repository, references: list[ImageReference]) -> None:
        asked_at = self._clock()
        source = self._ecr if references[0].ecr else self._others
        try:
            answers = await source.resolve(references)
            self._record_all(key, references, answers, asked_at)
            await self._find_gone(key, references, source)
            await self._find_architectures(key, references, source)
        except Exception:  # noqa: BLE001 - one source's defect must not stop the others
            _LOG.exception("Asking %s for digests failed by a defect of the operator", "/".join(key))
            self._record_all(key, references, {}, asked_at)
        except asyncio.CancelledError:
            self._agenda.done(key)
            self._postpone(key, references)
            raise
        self._agenda.done(key)
        self._wake.set()
        jitter = random.uniform(0.9, 1.1)  # noqa: S311 - spreads load, hides nothing
        for tag in self._known(key, references).values():
            self._schedule(tag, asked_at, jitter)
            self._report(tag)
        if key in self._tags:
            self._put_on_agenda(key)

    def _known(self, key: Repository, references: Sequence[ImageReference]) -> dict[ImageReference, Tag]:
        """Return the tags of `references` that are still asked for."""
        tags = self._tags.get(key, {})
        return {reference: tags[reference] for reference in references if reference in tags}

    def _record_all(
        self,
        key: Repository,
        references: Sequence[ImageReference],
        answers: Mapping[ImageReference, Answer],
        asked_at: float,
    ) -> None:
        for reference, tag in self._known(key, references).items():
            self._record(tag, reference, answers.get(reference) or _no_answer(reference), asked_at)

    async def _find_gone(
        self, key: Repository, references: Sequence[ImageReference], source: DigestSource
    ) -> None:
        """Ask whether the digests are still there that apps run and the tags do not point to any more."""
        doubtful = {
            (reference, digest)
            for reference, tag in self._known(key, references).items()
            for digest in tag.doubtful()
        }
        asked = {digest: replace(reference, tag=None, digest=digest) for reference, digest in doubtful}
        answers = await source.resolve(list(asked.values())) if asked else {}
        there = {digest for digest, reference in asked.items() if isinstance(answers.get(reference), str)}
        gone = {digest for digest, reference in asked.items() if _is_gone(answers.get(reference))}
        for reference, tag in self._known(key, references).items():
            if not tag.is_answered:
                continue
            wanted = {digest for at, digest in doubtful if at == reference}
            tag.gone = frozenset(wanted & (gone | (tag.gone - there)))

    async def _find_architectures(
        self, key: Repository, references: Sequence[ImageReference], source: DigestSource
    ) -> None:
        """Ask what the images are built for whose apps want to know it: once a digest, since it costs a request."""
        for reference, tag in self._known(key, references).items():
            if tag.lacks_architectures:
                image = replace(reference, tag=None, digest=tag.digest)
                tag.built_for = await source.architectures(image)

    def _postpone(self, key: Repository, references: Sequence[ImageReference]) -> None:
        """Ask again a little later: the question was cancelled."""
        for reference in references:
            if (tag := self._tags.get(key, {}).get(reference)) is not None:
                tag.due = self._clock() + self._timing.transient_backoff[0]
        if key in self._tags:
            self._put_on_agenda(key)
        self._wake.set()

    def _record(self, tag: Tag, reference: ImageReference, answer: Answer, asked_at: float) -> None:
        if isinstance(answer, str):
            if answer != tag.digest:
                _LOG.info("%s is %s", reference.canonical, answer)
                tag.built_for = None
            tag.digest, tag.resolved_at, tag.error, tag.failures = answer, asked_at, None, 0
            return
        if tag.error is None or tag.error.reason != answer.reason:
            _LOG.warning("The digest of %s is not to be had: %s", reference.canonical, answer.message)
        tag.error, tag.failed_at, tag.failures = answer, asked_at, tag.failures + 1

    def _schedule(self, tag: Tag, asked_at: float, jitter: float) -> None:
        now = self._clock()
        if any(ask.since > asked_at for ask in tag.asks.values()):
            tag.due = now
        elif tag.error is None:
            tag.due = now + self._timing.refresh * jitter
        else:
            tag.due = now + self._timing.retry_delay(tag.error, tag.failures) * jitter

    def _report(self, tag: Tag) -> None:
        for app, ask in list(tag.asks.items()):
            answer = tag.answer(ask)
            if not isinstance(answer, Pending) and news(answer) != ask.reported:
                ask.reported = news(answer)
                self._on_change(app)


def _repository(reference: ImageReference) -> Repository:
    return Repository(registry=reference.registry, name=reference.repository)


def _is_gone(answer: Answer | None) -> bool:
    return isinstance(answer, ContainerAppError) and answer.reason in NOT_THERE


def _no_answer(reference: ImageReference) -> Transient:
    return Transient(
        "RegistryUnavailable",
        f"{reference.registry} gave no answer about {reference.canonical}. It is asked again by itself.",
    )
