"""Looking up where tags point, in the background: `containerapp.registries.resolver`."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from containerapp.api.images import ImageReference, parse
from containerapp.core.model import Failed, Key, Lookup, Pending, Resolved
from containerapp.errors import Blocked, Transient
from containerapp.registries import agenda
from containerapp.registries.policy import Policy
from containerapp.registries.resolver import MAX_BATCH, Answer, DigestResolver
from containerapp.registries.tags import Timing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

ONE = "sha256:" + "1" * 64
TWO = "sha256:" + "2" * 64
DOWN = Transient("RegistryUnavailable", "It is down.")
MISSING = Blocked("ImageNotFound", "There is none.")


def _key(name: str, namespace: str = "prod") -> Key:
    return Key("ContainerApp", namespace, name)


SHOP, CART = _key("shop"), _key("cart")

# Refreshes only when asked to, retries at once: a test decides what happens.
PATIENT = Timing(gather=0.005, refresh=1000.0, transient_backoff=(0.01, 0.02), blocked_backoff=(0.01, 0.02))
# Refreshes all the time.
EAGER = Timing(gather=0.005, refresh=0.03, transient_backoff=(0.01, 0.02), blocked_backoff=(0.01, 0.02))


def _tag(text: str) -> ImageReference:
    return parse(text, default_registry="ghcr.io/acme")


@dataclass(slots=True, kw_only=True)
class Source:
    """Registries whose answers a test sets: `ONE` unless told otherwise; those that are stuck wait for `open`."""

    answers: dict[str, Answer] = field(default_factory=dict)
    default: Answer | None = ONE
    calls: list[list[str]] = field(default_factory=list)
    open: asyncio.Event = field(default_factory=asyncio.Event)
    stuck: set[str] = field(default_factory=set)
    defect: Exception | None = None
    built_for: frozenset[str] = frozenset({"amd64"})
    looked_into: list[str] = field(default_factory=list)
    running: Counter[str] = field(default_factory=Counter)
    most: Counter[str] = field(default_factory=Counter)
    most_at_all: int = 0

    async def resolve(self, references: Sequence[ImageReference]) -> Mapping[ImageReference, Answer]:
        """Answer as the test wants."""
        registry = references[0].registry
        self.calls.append(sorted(reference.familiar for reference in references))
        answers = {each: self.answers.get(each.familiar, self.default) for each in references}
        self.running[registry] += 1
        self.most[registry] = max(self.most[registry], self.running[registry])
        self.most_at_all = max(self.most_at_all, self.running.total())
        try:
            await asyncio.sleep(0)
            if registry in self.stuck:
                await self.open.wait()
        finally:
            self.running[registry] -= 1
        if self.defect is not None:
            raise self.defect
        return {reference: answer for reference, answer in answers.items() if answer is not None}

    async def architectures(self, reference: ImageReference) -> frozenset[str]:
        """Answer for every digest alike."""
        assert reference.digest is not None
        self.looked_into.append(reference.digest)
        return self.built_for


@dataclass(slots=True, kw_only=True)
class Bench:
    """A resolver that runs, its registry, and the apps that it has called."""

    resolver: DigestResolver
    source: Source
    called: list[Key]

    async def answer(self, text: str, app: Key = SHOP, *, request: str | None = None) -> Lookup:
        """Ask until the answer is there."""
        answers: list[Lookup] = []

        def answered() -> bool:
            answers.append(self.resolver.lookup(_tag(text), app, request=request))
            return not isinstance(answers[-1], Pending)

        await until(answered)
        return answers[-1]


async def until(holds: Callable[[], bool]) -> None:
    """Wait for something that the background brings about."""
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 - a condition of many parts, none of which is an event
            await asyncio.sleep(0.002)


@asynccontextmanager
async def running(
    timing: Timing = PATIENT,
    source: Source | None = None,
    ecr: Source | None = None,
    policy: Policy | None = None,
) -> AsyncIterator[Bench]:
    """Run a resolver, and stop it cleanly."""
    source = source or Source()
    called: list[Key] = []
    resolver = DigestResolver(
        ecr=ecr or Source(), others=source, on_change=called.append, policy=policy, timing=timing
    )
    task = asyncio.create_task(resolver.run())
    yield Bench(resolver=resolver, source=source, called=called)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert asyncio.all_tasks() == {asyncio.current_task()}


def _digest(answer: Lookup) -> str:
    assert isinstance(answer, Resolved), answer
    return answer.digest


async def test_answers_at_once_and_tells_the_app_when_there_is_more_to_say() -> None:
    """A reconcile never waits: it is called again."""
    async with running() as bench:
        assert bench.resolver.lookup(_tag("shop:1"), SHOP) == Pending()
        assert bench.source.calls == []
        await until(lambda: bench.called == [SHOP])
        answer = bench.resolver.lookup(_tag("shop:1"), SHOP)
        assert _digest(answer) == ONE
        assert isinstance(answer, Resolved)
        assert answer.stale_error is None


async def test_apps_that_ask_together_cost_a_repository_one_call() -> None:
    """A hundred apps with ten tags of two repositories are two calls."""
    async with running() as bench:
        for number in range(100):
            repository = "shop" if number % 2 else "cart"
            bench.resolver.lookup(_tag(f"{repository}:{number % 10}"), _key(f"app-{number}"))
        await until(lambda: len(bench.called) == 100)
        assert sorted(bench.source.calls) == [
            [f"acme/cart:{number}" for number in range(0, 10, 2)],
            [f"acme/shop:{number}" for number in range(1, 10, 2)],
        ]


async def test_private_ecr_is_asked_by_its_own_source() -> None:
    """Everything else goes to the OCI source, Amazon ECR Public included."""
    ecr, others = Source(), Source(default=TWO)
    resolver = DigestResolver(ecr=ecr, others=others, on_change=lambda _: None, timing=PATIENT)
    task = asyncio.create_task(resolver.run())
    private = _tag("123456789012.dkr.ecr.eu-west-1.amazonaws.com/shop:1")
    public = _tag("public.ecr.aws/acme/shop:1")
    await until(
        lambda: resolver.lookup(private, SHOP) != Pending() and resolver.lookup(public, CART) != Pending()
    )
    assert _digest(resolver.lookup(private, SHOP)) == ONE
    assert _digest(resolver.lookup(public, CART)) == TWO
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_known_tags_are_asked_for_again_and_only_news_wakes_an_app() -> None:
    """A tag that moved is told once; one that stays is never mentioned."""
    async with running(EAGER) as bench:
        await bench.answer("shop:1", SHOP)
        await bench.answer("shop:2", CART)
        bench.called.clear()
        count = len(bench.source.calls)
        await until(lambda: len(bench.source.calls) > count + 3)
        assert bench.called == []
        bench.source.answers["acme/shop:2"] = TWO
        await until(lambda: bench.called == [CART])
        assert _digest(bench.resolver.lookup(_tag("shop:2"), CART)) == TWO
        assert _digest(bench.resolver.lookup(_tag("shop:1"), SHOP)) == ONE
        count = len(bench.source.calls)
        await until(lambda: len(bench.source.calls) > count + 3)
        assert bench.called == [CART]


async def test_refreshes_of_one_repository_find_each_other() -> None:
    """Tags first asked for at different times are soon refreshed by one call."""
    async with running(Timing(gather=0.005, refresh=0.2)) as bench:
        await bench.answer("shop:1", SHOP)
        await bench.answer("shop:2", CART)
        assert bench.source.calls == [["acme/shop:1"], ["acme/shop:2"]]
        await until(lambda: len(bench.source.calls) >= 4)
        assert bench.source.calls[3] == ["acme/shop:1", "acme/shop:2"]


async def test_a_failed_refresh_keeps_the_answer_and_shows_the_failure() -> None:
    """The running version is not disturbed by a registry that is down; the app hears of it once, and of the end."""
    async with running(EAGER) as bench:
        await bench.answer("shop:1")
        bench.called.clear()
        bench.source.default = DOWN
        await until(lambda: bench.called == [SHOP])
        answer = bench.resolver.lookup(_tag("shop:1"), SHOP)
        assert isinstance(answer, Resolved)
        assert (answer.digest, answer.stale_error) == (ONE, DOWN)
        count = len(bench.source.calls)
        await until(lambda: len(bench.source.calls) > count + 3)
        assert bench.called == [SHOP]
        bench.source.default = ONE
        await until(lambda: bench.called == [SHOP, SHOP])
        answer = bench.resolver.lookup(_tag("shop:1"), SHOP)
        assert isinstance(answer, Resolved)
        assert answer.stale_error is None


@pytest.mark.parametrize("error", [DOWN, MISSING])
async def test_a_failure_is_told_once_and_retried_until_it_is_over(error: Transient | Blocked) -> None:
    """An image that is pushed late, a registry that comes up late: the app starts by itself."""
    async with running(source=Source(default=error)) as bench:
        assert await bench.answer("shop:1") == Failed(error=error)
        await until(lambda: len(bench.source.calls) > 3)
        assert len(bench.called) <= 1
        bench.called.clear()
        bench.source.default = TWO
        await until(lambda: bench.called == [SHOP])
        assert _digest(bench.resolver.lookup(_tag("shop:1"), SHOP)) == TWO


async def test_one_tags_failure_is_not_anothers() -> None:
    """Apps that share a repository share the call, not the outcome."""
    async with running(source=Source(answers={"acme/shop:0": MISSING})) as bench:
        bench.resolver.lookup(_tag("shop:0"), CART)
        assert _digest(await bench.answer("shop:1", SHOP)) == ONE
        assert await bench.answer("shop:0", CART) == Failed(error=MISSING)


@pytest.mark.parametrize(
    ("error", "failures", "seconds"),
    [
        (DOWN, 1, 2.0),
        (DOWN, 2, 4.0),
        (DOWN, 6, 60.0),
        (DOWN, 10_000, 60.0),
        (MISSING, 1, 10.0),
        (MISSING, 3, 40.0),
        (MISSING, 9, 300.0),
        (Transient("Throttled", "Slowly.", retry_after=30.0), 1, 30.0),
        (Transient("Throttled", "Slowly.", retry_after=1.0), 1, 2.0),
        (Transient("Throttled", "Slowly.", retry_after=21_600.0), 1, 300.0),
    ],
)
def test_backs_off_exponentially_and_heeds_the_registry(
    error: Transient | Blocked, failures: int, seconds: float
) -> None:
    """Passing faults are retried quickly, others slowly, and no registry makes us wait for hours."""
    assert Timing().retry_delay(error, failures) == seconds


async def test_a_request_waits_for_an_answer_that_is_newer_than_itself() -> None:
    """The user asked for the tag's new digest: what was known before will not do."""
    async with running() as bench:
        await bench.answer("shop:1")
        bench.source.default = TWO
        assert _digest(bench.resolver.lookup(_tag("shop:1"), SHOP)) == ONE
        assert bench.resolver.lookup(_tag("shop:1"), SHOP, request="a") == Pending()
        assert _digest(await bench.answer("shop:1", request="a")) == TWO
        calls = len(bench.source.calls)
        assert _digest(bench.resolver.lookup(_tag("shop:1"), SHOP, request="a")) == TWO
        assert _digest(bench.resolver.lookup(_tag("shop:1"), SHOP)) == TWO
        assert len(bench.source.calls) == calls
        assert bench.resolver.lookup(_tag("shop:1"), SHOP, request="b") == Pending()


async def test_a_request_is_not_answered_by_a_question_put_before_it() -> None:
    """A lookup under way when the user asks may have read the tag too early: another follows it."""
    async with running(source=Source(stuck={"ghcr.io"})) as bench:
        bench.resolver.lookup(_tag("shop:1"), SHOP)
        await until(lambda: len(bench.source.calls) == 1)
        bench.source.default = TWO
        bench.resolver.lookup(_tag("shop:1"), SHOP, request="a")
        bench.source.open.set()
        await until(lambda: bench.called == [SHOP])
        assert _digest(bench.resolver.lookup(_tag("shop:1"), SHOP, request="a")) == TWO
        assert len(bench.source.calls) == 2


async def test_a_request_that_cannot_be_served_says_why() -> None:
    """The old digest is not passed off as the new one, and others go on with what they had."""
    async with running() as bench:
        await bench.answer("shop:1", SHOP)
        await bench.answer("shop:1", CART)
        bench.source.default = DOWN
        assert await bench.answer("shop:1", SHOP, request="a") == Failed(error=DOWN)
        answer = bench.resolver.lookup(_tag("shop:1"), CART)
        assert isinstance(answer, Resolved)
        assert (answer.digest, answer.stale_error) == (ONE, DOWN)
        bench.source.default = TWO
        await until(lambda: bench.resolver.lookup(_tag("shop:1"), SHOP, request="a") != Failed(error=DOWN))
        assert _digest(await bench.answer("shop:1", SHOP, request="a")) == TWO


async def test_an_app_that_has_the_digest_already_is_not_woken() -> None:
    """After a restart the whole fleet asks; only apps whose tag has moved are reconciled again."""
    async with running(source=Source(answers={"acme/shop:2": TWO})) as bench:
        bench.resolver.lookup(_tag("shop:1"), SHOP, known=ONE)
        bench.resolver.lookup(_tag("shop:2"), CART, known=ONE)
        await until(lambda: bench.called == [CART])
        assert _digest(bench.resolver.lookup(_tag("shop:1"), SHOP, known=ONE)) == ONE
        assert bench.called == [CART]


async def test_an_app_that_asks_for_the_first_time_is_served_what_is_fresh_and_nothing_older() -> None:
    """A new app must not start with the digest that its tag had five minutes ago."""
    timing = Timing(gather=0.005, refresh=1000.0, fresh_for=0.2)
    async with running(timing) as bench:
        await bench.answer("shop:1", SHOP)
        assert _digest(bench.resolver.lookup(_tag("shop:1"), CART)) == ONE
        bench.source.default = TWO
        await asyncio.sleep(0.25)
        assert bench.resolver.lookup(_tag("shop:1"), _key("late")) == Pending()
        assert _digest(await bench.answer("shop:1", _key("late"))) == TWO
        assert len(bench.source.calls) == 2


async def test_a_new_app_gets_the_last_known_answer_when_the_registry_is_down() -> None:
    """It can start, and its status says what is wrong."""
    timing = Timing(gather=0.005, refresh=1000.0, fresh_for=0.0)
    async with running(timing) as bench:
        await bench.answer("shop:1", SHOP)
        bench.source.default = DOWN
        answer = await bench.answer("shop:1", CART)
        assert isinstance(answer, Resolved)
        assert (answer.digest, answer.stale_error) == (ONE, DOWN)


async def test_nothing_is_kept_of_what_nobody_asks_for() -> None:
    """Apps come and go for years; the tags they asked for go with the last of them."""
    async with running(EAGER) as bench:
        await bench.answer("shop:1", SHOP)
        await bench.answer("shop:1", CART)
        bench.resolver.forget(SHOP)
        count = len(bench.source.calls)
        await until(lambda: len(bench.source.calls) > count + 1)
        bench.resolver.forget(CART)
        bench.resolver.forget(CART)
        assert (bench.resolver._tags, bench.resolver._asked_by) == ({}, {})
        await until(lambda: bench.source.running.total() == 0)
        count = len(bench.source.calls)
        await asyncio.sleep(4 * EAGER.refresh)
        assert len(bench.source.calls) == count


async def test_a_tag_is_still_refreshed_when_its_neighbour_that_was_due_first_is_gone() -> None:
    """Letting go of one tag of a repository does not forget when the others are due."""
    async with running(Timing(gather=0.005, refresh=0.4)) as bench:
        await bench.answer("shop:1", SHOP)
        await asyncio.sleep(0.2)
        await bench.answer("shop:2", CART)
        bench.resolver.forget(SHOP)
        await until(lambda: len(bench.source.calls) >= 4)
        assert bench.source.calls[2:4] == [["acme/shop:2"], ["acme/shop:2"]]


async def test_an_app_lets_go_of_all_that_it_does_not_ask_for_any_more() -> None:
    """It may ask for an image a container; another app's interest in the old tag stays."""
    async with running() as bench:
        await bench.answer("shop:1", SHOP)
        await bench.answer("shop:1", CART)
        await bench.answer("shop:2", SHOP)
        await bench.answer("other:1", SHOP)
        bench.resolver.forget(SHOP, but={_tag("shop:2"), _tag("other:1"), _tag("never:1")})
        bench.resolver.forget(CART, but=())
        asked_for = {each.familiar for tags in bench.resolver._tags.values() for each in tags}
        assert asked_for == {"acme/shop:2", "acme/other:1"}


async def test_an_answer_that_nobody_waits_for_any_more_is_dropped() -> None:
    """The app was deleted while a registry thought about it."""
    async with running(source=Source(stuck={"ghcr.io"})) as bench:
        bench.resolver.lookup(_tag("shop:1"), SHOP)
        await until(lambda: len(bench.source.calls) == 1)
        bench.resolver.forget(SHOP)
        bench.source.open.set()
        await until(lambda: bench.source.running.total() == 0)
        assert _digest(await bench.answer("shop:2", CART)) == ONE
        assert SHOP not in bench.called


def test_a_digest_needs_no_looking_up() -> None:
    """Asking for one is a mistake of the caller's, and said so."""
    resolver = DigestResolver(ecr=Source(), others=Source(), on_change=lambda _: None)
    with pytest.raises(ValueError, match="has a digest already"):
        resolver.lookup(_tag(f"shop@{ONE}"), SHOP)


async def test_a_hanging_registry_has_its_share_of_lookups_and_delays_no_other() -> None:
    """Apps of another registry start at once; those of the hanging one when it recovers."""
    async with running(source=Source(stuck={"slow.example.com"})) as bench:
        for number in range(100):
            bench.resolver.lookup(_tag(f"slow.example.com/shop-{number}:1"), _key(f"slow-{number}", "slow"))
        await until(lambda: bench.source.running["slow.example.com"] == agenda.MAX_LOOKUPS_PER_REGISTRY)
        assert _digest(await bench.answer("fast.example.com/shop:1")) == ONE
        assert bench.called == [SHOP]
        bench.source.open.set()
        await until(lambda: len(bench.called) == 101)
        assert bench.source.most["slow.example.com"] == agenda.MAX_LOOKUPS_PER_REGISTRY


async def test_lookups_in_all_are_bounded() -> None:
    """However many registries users name, so many questions are open at most."""
    hosts = [f"r{number}.example.com" for number in range(3 * agenda.MAX_LOOKUPS)]
    async with running(source=Source(stuck=set(hosts))) as bench:
        for host in hosts:
            bench.resolver.lookup(_tag(f"{host}/shop:1"), _key("shop", host))
        await until(lambda: bench.source.running.total() == agenda.MAX_LOOKUPS)
        bench.source.open.set()
        await until(lambda: len(bench.called) == len(hosts))
        assert bench.source.most_at_all == agenda.MAX_LOOKUPS


async def test_a_sources_defect_fails_its_own_question_only(caplog: pytest.LogCaptureFixture) -> None:
    """A bug is logged with its traceback, and the loop goes on: the next attempt may succeed."""
    async with running(source=Source(defect=RuntimeError("bug"))) as bench:
        answer = await bench.answer("shop:1")
        assert isinstance(answer, Failed)
        assert answer.error.reason == "RegistryUnavailable"
        assert "RuntimeError: bug" in caplog.text
        bench.source.defect = None
        await until(lambda: isinstance(bench.resolver.lookup(_tag("shop:1"), SHOP), Resolved))


async def test_a_source_that_leaves_a_question_unanswered_is_asked_again() -> None:
    """Silence is a passing fault, not an endless wait."""
    async with running(source=Source(default=None)) as bench:
        answer = await bench.answer("shop:1")
        assert isinstance(answer, Failed)
        assert "gave no answer about ghcr.io/acme/shop:1" in answer.error.message


async def test_stopping_ends_the_questions_under_way() -> None:
    """`running` checks that no task is left; here one is waiting for a registry."""
    async with running(source=Source(stuck={"ghcr.io"})) as bench:
        bench.resolver.lookup(_tag("shop:1"), SHOP)
        await until(lambda: bench.source.running.total() == 1)
    assert bench.source.running.total() == 0


@pytest.mark.parametrize("forgotten", [(), ("shop",), ("shop", "cart")])
async def test_a_question_that_somebody_else_cancels_is_put_again(forgotten: tuple[str, ...]) -> None:
    """kopf, when it ends, cancels every task that began after it; what nobody asks for any more is left alone."""
    async with running(source=Source(stuck={"ghcr.io"})) as bench:
        bench.resolver.lookup(_tag("shop:1"), SHOP)
        bench.resolver.lookup(_tag("shop:2"), CART)
        await until(lambda: bench.source.running.total() == 1)
        for name in forgotten:
            bench.resolver.forget(_key(name))
        for task in asyncio.all_tasks():
            if task.get_name().startswith("digests of"):
                task.cancel()
        bench.source.stuck.clear()
        await until(lambda: bench.source.running.total() == 0)
        for app, text in ((SHOP, "shop:1"), (CART, "shop:2")):
            if app.name not in forgotten:
                assert _digest(await bench.answer(text, app)) == ONE
        assert len(bench.source.calls) == (1 if len(forgotten) == 2 else 2)


async def test_the_lookups_of_one_namespace_leave_room_for_the_others() -> None:
    """Sixty apps whose five registries hang hold no more slots than their namespace has; nobody else waits for them."""
    hosts = [f"slow{number}.example.com" for number in range(5)]
    async with running(source=Source(stuck=set(hosts))) as bench:
        for number in range(60):
            image = f"{hosts[number % 5]}/shop-{number}:1"
            bench.resolver.lookup(_tag(image), _key(str(number), "hostile"))
        await until(lambda: bench.source.running.total() == agenda.MAX_LOOKUPS_PER_NAMESPACE)
        assert _digest(await bench.answer("fast.example.com/shop:1")) == ONE
        assert _digest(await bench.answer("fast.example.com/shop:2", CART)) == ONE
        bench.source.open.set()
        await until(lambda: len(bench.called) == 62)
        assert bench.source.most_at_all <= agenda.MAX_LOOKUPS_PER_NAMESPACE + 1


async def test_a_namespace_with_nothing_under_way_comes_first() -> None:
    """Where all slots are taken, the next that is free is for who has none, however long others have waited."""
    async with running(source=Source(stuck={"ghcr.io"})) as bench:
        for number in range(20):
            bench.resolver.lookup(_tag(f"shop-{number}:1"), _key(str(number), "busy"))
        await until(lambda: bench.source.running.total() == agenda.MAX_LOOKUPS_PER_REGISTRY)
        bench.resolver.lookup(_tag("late:1"), SHOP)
        await asyncio.sleep(0.03)
        bench.source.open.set()
        await until(lambda: len(bench.called) == 21)
        assert bench.source.calls.index(["acme/late:1"]) <= agenda.MAX_LOOKUPS_PER_REGISTRY + 1


async def test_a_repository_is_not_kept_waiting_by_the_namespace_that_asked_first() -> None:
    """The same image, wanted by a namespace that has its slots full and by one that has none in use."""
    async with running(source=Source(stuck={"slow.example.com"})) as bench:
        for number in range(20):
            bench.resolver.lookup(_tag(f"slow.example.com/shop-{number}:1"), _key(str(number), "hostile"))
        await until(lambda: bench.source.running.total() == agenda.MAX_LOOKUPS_PER_NAMESPACE)
        bench.resolver.lookup(_tag("fast.example.com/shop:1"), _key("fast", "hostile"))
        await asyncio.sleep(0.03)
        assert _digest(await bench.answer("fast.example.com/shop:1", SHOP)) == ONE


async def test_ecr_has_slots_of_its_own() -> None:
    """Registries of strangers that hang, in many namespaces, do not delay an app whose image is in ECR."""
    hosts = [f"r{number}.example.com" for number in range(2 * agenda.MAX_LOOKUPS)]
    async with running(source=Source(stuck=set(hosts)), ecr=Source(default=TWO)) as bench:
        for host in hosts:
            bench.resolver.lookup(_tag(f"{host}/shop:1"), _key("shop", host))
        await until(lambda: bench.source.running.total() == agenda.MAX_LOOKUPS)
        private = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/shop:1"
        assert _digest(await bench.answer(private)) == TWO


async def test_ecrs_slots_are_bounded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Repositories of many accounts cost no more calls at a time."""
    monkeypatch.setattr(agenda, "MAX_LOOKUPS", 4)
    hosts = [f"{number:012}.dkr.ecr.eu-west-1.amazonaws.com" for number in range(12)]
    ecr = Source(stuck=set(hosts))
    async with running(ecr=ecr) as bench:
        for host in hosts:
            bench.resolver.lookup(_tag(f"{host}/shop:1"), _key("shop", host))
        await until(lambda: ecr.running.total() == 4)
        ecr.open.set()
        await until(lambda: len(bench.called) == 12)
        assert ecr.most_at_all == 4


async def test_the_tags_of_a_repository_are_asked_for_in_bounded_numbers() -> None:
    """A registry that answers one by one gives its slot back in time; all of them get their turn."""
    async with running() as bench:
        for number in range(50):
            bench.resolver.lookup(_tag(f"shop:{number}"), _key(str(number)))
        await until(lambda: len(bench.called) == 50)
        assert max(map(len, bench.source.calls)) == MAX_BATCH


async def test_a_registry_that_is_not_allowed_is_not_asked() -> None:
    """The app reads why; nothing of it is kept."""
    async with running(policy=Policy(allowed=("ghcr.io/acme/*",))) as bench:
        await bench.answer("shop:1")
        answer = bench.resolver.lookup(_tag("elsewhere.example.com/shop:1"), SHOP)
        assert isinstance(answer, Failed)
        assert answer.error.reason == "RegistryNotAllowed"
        bench.resolver.forget(SHOP, but={_tag("elsewhere.example.com/shop:1")})
        assert bench.resolver._asked_by == {}
        assert len(bench.source.calls) == 1


def test_a_registry_whose_tags_are_left_alone_is_known() -> None:
    """What nodes have under a name of their own cannot be looked up."""
    policy = Policy(by_tag=("localhost:5001",))
    resolver = DigestResolver(ecr=Source(), others=Source(), on_change=lambda _: None, policy=policy)
    assert resolver.runs_by_tag(_tag("localhost:5001/shop:1"))
    assert not resolver.runs_by_tag(_tag("shop:1"))


async def test_a_running_digest_that_is_gone_is_news() -> None:
    """The tag has moved, and a lifecycle policy has removed the image without a tag that Pods are started from."""
    async with running(EAGER, Source(default=TWO)) as bench:
        running_one = f"acme/shop@{ONE[:19]}"
        bench.resolver.lookup(_tag("shop:1"), SHOP, known=ONE)
        await until(lambda: bench.called == [SHOP])
        answer = bench.resolver.lookup(_tag("shop:1"), SHOP, known=ONE)
        assert (_digest(answer), _gone(answer)) == (TWO, False)
        assert [running_one] in bench.source.calls
        bench.source.answers[running_one] = MISSING
        await until(lambda: bench.called == [SHOP, SHOP])
        answer = bench.resolver.lookup(_tag("shop:1"), SHOP, known=ONE)
        assert (_digest(answer), _gone(answer)) == (TWO, True)
        for doubt in (DOWN, TWO):  # nobody can tell; then it is there again
            bench.source.answers[running_one] = doubt
            count = len(bench.source.calls)
            await until(lambda: len(bench.source.calls) > count + 4)  # noqa: B023 - waited for within the turn
        await until(lambda: bench.called == [SHOP, SHOP, SHOP])
        assert not _gone(bench.resolver.lookup(_tag("shop:1"), SHOP, known=ONE))


async def test_a_running_digest_is_asked_for_where_the_tag_is_gone_too() -> None:
    """All that the app runs was deleted: the failure says so."""
    async with running(source=Source(default=MISSING)) as bench:
        bench.resolver.lookup(_tag("shop:1"), SHOP, known=ONE)
        await until(lambda: bench.called == [SHOP])
        answer = bench.resolver.lookup(_tag("shop:1"), SHOP, known=ONE)
        assert answer == Failed(error=MISSING, running_gone=True)
        bench.source.default = DOWN
        await until(lambda: isinstance(bench.resolver.lookup(_tag("shop:1"), SHOP, known=ONE), Failed))
        await until(lambda: bench.called == [SHOP, SHOP])
        assert _gone(bench.resolver.lookup(_tag("shop:1"), SHOP, known=ONE))


async def test_a_running_digest_that_the_tag_points_to_costs_no_question() -> None:
    """It is there: the tag says so."""
    async with running(EAGER) as bench:
        bench.resolver.lookup(_tag("shop:1"), SHOP, known=ONE)
        await until(lambda: len(bench.source.calls) > 3)
        assert {call for calls in bench.source.calls for call in calls} == {"acme/shop:1"}


async def test_what_an_image_is_built_for_is_asked_once_a_digest_and_only_where_it_matters() -> None:
    """It costs a request, which Docker Hub counts as a pull."""
    async with running(EAGER) as bench:
        await bench.answer("shop:1", CART)
        answer = bench.resolver.lookup(_tag("shop:1"), SHOP, architectures=True)
        assert isinstance(answer, Resolved)
        assert answer.built_for is None
        await until(lambda: bench.called[-1:] == [SHOP])
        answer = bench.resolver.lookup(_tag("shop:1"), SHOP, architectures=True)
        assert isinstance(answer, Resolved)
        assert answer.built_for == frozenset({"amd64"})
        count = len(bench.source.calls)
        await until(lambda: len(bench.source.calls) > count + 4)
        assert bench.source.looked_into == [ONE]
        other = bench.resolver.lookup(_tag("shop:1"), CART)
        assert isinstance(other, Resolved)
        assert other.built_for is None
        bench.source.default, bench.source.built_for = TWO, frozenset({"amd64", "arm64"})
        await until(lambda: bench.called[-1:] == [SHOP] and bench.source.looked_into == [ONE, TWO])
        answer = bench.resolver.lookup(_tag("shop:1"), SHOP, architectures=True)
        assert isinstance(answer, Resolved)
        assert answer.built_for == frozenset({"amd64", "arm64"})


async def test_an_edit_that_makes_the_architectures_matter_has_them_asked_at_once() -> None:
    """The tag is known for long; the next refresh is far away."""
    async with running() as bench:
        await bench.answer("shop:1")
        answer = bench.resolver.lookup(_tag("shop:1"), SHOP, known=ONE, architectures=True)
        assert isinstance(answer, Resolved)
        assert answer.built_for is None
        bench.called.clear()
        await until(lambda: bench.called == [SHOP])
        answer = bench.resolver.lookup(_tag("shop:1"), SHOP, known=ONE, architectures=True)
        assert isinstance(answer, Resolved)
        assert answer.built_for == frozenset({"amd64"})


async def test_what_an_image_is_built_for_is_unknown_while_the_registry_is_down() -> None:
    """Nothing waits for a registry that cannot be asked."""
    async with running(EAGER) as bench:
        await bench.answer("shop:1")
        bench.source.default = DOWN
        await until(lambda: _stale(bench.resolver.lookup(_tag("shop:1"), SHOP)))
        answer = bench.resolver.lookup(_tag("shop:1"), SHOP, architectures=True)
        assert isinstance(answer, Resolved)
        assert answer.built_for == frozenset()
        assert bench.source.looked_into == []


def _stale(answer: Lookup) -> bool:
    return isinstance(answer, Resolved) and answer.stale_error is not None


def _gone(answer: Lookup) -> bool:
    assert isinstance(answer, Resolved | Failed), answer
    return answer.running_gone
