"""When a kind may have come whose definition was absent: `containerapp.kube.definitions`."""

from __future__ import annotations

import asyncio

import pytest

from containerapp.core.model import Manifest, Resource
from containerapp.kube import definitions
from containerapp.kube.definitions import Definitions
from containerapp.kube.store import Listed
from tests.builders import Clock

MONITOR = Resource(
    api_version="monitoring.coreos.com/v1", kind="PodMonitor", plural="podmonitors", optional=True
)


def _definition(name: str = "podmonitors.monitoring.coreos.com") -> Manifest:
    return {"metadata": {"name": name, "resourceVersion": "7"}}


def _known(clock: Clock | None = None) -> Definitions:
    found = Definitions(clock=clock or Clock())
    assert found.replace(None, Listed(store=found)) == set()
    return found


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    """No pause is longer than a moment."""
    monkeypatch.setattr(definitions, "_QUIET", 0.02)


async def _returns(known: Definitions, seconds: float = 0.5) -> bool:
    """Whether the wait ends within some seconds."""
    try:
        async with asyncio.timeout(seconds):
            await known.changed(MONITOR, unknown=30.0)
    except TimeoutError:
        return False
    return True


async def test_a_kind_is_looked_at_when_its_definition_comes_or_changes() -> None:
    """And not for any other; what has come while nobody waited counts."""
    known = _known()
    assert not await _returns(known)
    known.put(_definition("services.example.com"))
    assert not await _returns(known)
    waiting = asyncio.create_task(_returns(known, 5))
    await asyncio.sleep(0)
    known.put(_definition())
    assert await waiting
    assert len(known) == 2


async def test_a_list_counts_as_news() -> None:
    """The watch may have missed the definition's coming; and its end is news, too."""
    clock = Clock()
    known = Definitions(clock=clock)
    listed = Listed(store=known)
    listed.add([_definition()], 7)
    known.replace(None, listed)
    assert await _returns(known)
    clock.now += 31
    assert not await _returns(known)
    known.drop(_definition())
    assert await _returns(known)
    assert known.clear(None) == set()


async def test_a_definition_that_goes_on_changing_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not every API server serves a kind as soon as its definition is there."""
    monkeypatch.setattr(definitions, "_QUIET", 0.3)
    known = _known()
    known.put(_definition())
    waiting = asyncio.create_task(_returns(known, 5))
    for _ in range(3):
        await asyncio.sleep(0.1)
        known.put(_definition())
    await asyncio.sleep(0.1)
    assert not waiting.done()
    assert await waiting


async def test_a_new_kind_is_looked_at_until_it_is_served() -> None:
    """The API server serves a kind some moments after its definition was accepted, and says nothing then."""
    clock = Clock()
    known = _known(clock)
    known.put(_definition())
    assert [await _returns(known) for _ in range(3)] == [True] * 3
    clock.now += 31
    assert not await _returns(known)


async def test_without_a_list_of_definitions_kinds_are_looked_at_now_and_then() -> None:
    """An operator of some namespaces may not list them."""
    known = Definitions()
    async with asyncio.timeout(5):
        await known.changed(MONITOR, unknown=0.01)
    assert not await _returns(known)
