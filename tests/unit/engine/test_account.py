"""What the AWS account has: asked while an app waits for it, passed on where it is news."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from containerapp.core.account import FARGATE, LOAD_BALANCERS, Account
from containerapp.core.model import Key
from containerapp.engine import account
from containerapp.engine.account import AccountWatch, nobody_asks
from tests.builders import KEY, Clock


class Aws:
    """Answers the same again and again, or fails."""

    def __init__(self) -> None:
        self.answer = Account(limits={"rules": 100})
        self.error: Exception | None = None
        self.asked = 0
        self.wanted = frozenset[str]()

    async def ask(self, wanted: frozenset[str]) -> Account:
        """Return what the account has."""
        self.asked += 1
        self.wanted = wanted
        if self.error is not None:
            raise self.error
        return self.answer


async def _rounds(watch: AccountWatch, aws: Aws, count: int) -> None:
    """Run the watch for some rounds."""
    until = aws.asked + count
    task = asyncio.create_task(watch.run())
    async with asyncio.timeout(5):
        while aws.asked < until:  # noqa: ASYNC110 - what is waited for sets no event
            await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


@pytest.fixture
def aws() -> Aws:
    """The account."""
    return Aws()


@pytest.fixture
def notified() -> list[Key]:
    """The objects to which something was news."""
    return []


@pytest.fixture
def clock() -> Clock:
    """A clock that a test moves."""
    return Clock()


@pytest.fixture
def watch(aws: Aws, notified: list[Key], clock: Clock, monkeypatch: pytest.MonkeyPatch) -> AccountWatch:
    """The watch, whose rounds follow each other at once."""
    monkeypatch.setattr(account, "INTERVAL", 0)
    return AccountWatch(ask=aws.ask, on_change=notified.append, clock=clock)


async def test_the_answer_is_told_once_and_again_when_it_changes(
    watch: AccountWatch, aws: Aws, notified: list[Key]
) -> None:
    """A certificate that was issued lets those join that wait for it."""
    assert watch.lookup(KEY, LOAD_BALANCERS) == Account(pending=True)
    await _rounds(watch, aws, 3)
    assert notified == [KEY]
    assert watch.lookup(KEY, LOAD_BALANCERS) == aws.answer
    aws.answer = Account(limits={"rules": 200})
    await _rounds(watch, aws, 2)
    assert notified == [KEY, KEY]


async def test_an_old_answer_is_asked_for_again(
    watch: AccountWatch, aws: Aws, notified: list[Key], clock: Clock
) -> None:
    """An app that comes hours later waits for a fresh one, and is notified although nothing has changed."""
    watch.lookup(KEY, LOAD_BALANCERS)
    await _rounds(watch, aws, 1)
    assert watch.lookup(KEY, frozenset()) is None
    clock.now += 301
    assert watch.lookup(KEY, LOAD_BALANCERS) == Account(pending=True)
    await _rounds(watch, aws, 1)
    assert notified == [KEY, KEY]


async def test_what_was_not_asked_for_is_waited_for(
    watch: AccountWatch, aws: Aws, notified: list[Key]
) -> None:
    """One round asks for all that anybody wants, and for no more."""
    other = Key("ContainerApp", "prod", "till")
    watch.lookup(KEY, LOAD_BALANCERS)
    await _rounds(watch, aws, 1)
    assert aws.wanted == LOAD_BALANCERS
    assert watch.lookup(other, FARGATE) == Account(pending=True)
    await _rounds(watch, aws, 1)
    assert aws.wanted == LOAD_BALANCERS | FARGATE
    assert notified == [KEY, KEY, other]
    assert watch.lookup(other, FARGATE) == watch.lookup(KEY, LOAD_BALANCERS) == aws.answer


async def test_nobody_waits_for_a_bug(watch: AccountWatch, aws: Aws) -> None:
    """It is logged, and counts as no answer: all join."""
    aws.error = ValueError("a bug")
    watch.lookup(KEY, LOAD_BALANCERS)
    await _rounds(watch, aws, 1)
    found = watch.lookup(KEY, LOAD_BALANCERS)
    assert found is not None
    assert (found.pending, found.limits) == (False, None)
    assert found.profiles_error is not None


async def test_without_one_that_waits_nothing_is_asked(watch: AccountWatch, aws: Aws) -> None:
    """An operator whose apps all stand asks AWS for nothing."""
    watch.lookup(KEY, LOAD_BALANCERS)
    await _rounds(watch, aws, 1)
    watch.lookup(KEY, frozenset())
    task = asyncio.create_task(watch.run())
    for _ in range(10):
        await asyncio.sleep(0)
    asked = aws.asked
    for _ in range(50):
        await asyncio.sleep(0)
    task.cancel()
    assert aws.asked == asked
    assert nobody_asks(KEY, LOAD_BALANCERS) is None
