"""In what order children are written: `containerapp.converge`, with an API server that only counts."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any, cast
from unittest.mock import AsyncMock, Mock

import pytest

from containerapp.converge import Target, Writer
from containerapp.kube.cache import Cache
from containerapp.kube.client import Client
from containerapp.plan import Plan
from tests.builders import NAMESPACE, an_app, desired_children


async def _create_at_once(apps: int, seconds: float) -> Counter[str]:
    """Create the children of apps at once, each write lasting `seconds`; return how many of a kind met."""
    now, most = Counter[str](), Counter[str]()

    async def apply(_url: str, body: dict[str, Any]) -> dict[str, Any]:
        kind = body["kind"]
        now[kind] += 1
        most[kind] = max(most[kind], now[kind])
        await asyncio.sleep(seconds)
        now[kind] -= 1
        return {**body, "metadata": {**body["metadata"], "resourceVersion": "5"}}

    client = Mock(apply=AsyncMock(side_effect=apply))
    writer = Writer(client=cast("Client", client), cache=Cache(), clock=lambda: 0.0)
    app = an_app({"port": 8080})
    plan = Plan(creates=tuple(desired_children(app)))
    targets = [Target(key=(NAMESPACE, f"shop-{number}"), app=app, live={}) for number in range(apps)]
    found = await asyncio.gather(*(writer.converge(target, plan, settled=lambda: True) for target in targets))
    assert found == [None] * apps
    return most


async def test_services_are_created_one_after_the_other() -> None:
    """The API server takes longer for several at once; of other kinds it takes what it gets."""
    met = await _create_at_once(4, seconds=0.01)
    assert (met["ServiceAccount"], met["Service"]) == (4, 1)


async def test_a_service_whose_creation_takes_long_does_not_hold_up_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An admission webhook may be slow for one namespace."""
    monkeypatch.setattr("containerapp.converge._LONGEST_TURN", 0.01)
    met = await _create_at_once(4, seconds=0.1)
    assert met["Service"] > 1
