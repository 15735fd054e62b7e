"""How Events are written: `containerapp.engine.recorder`, with an API server that refuses some."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast
from unittest.mock import AsyncMock, Mock

import pytest

from containerapp.engine.recorder import Recorder
from containerapp.errors import Transient
from containerapp.kube.client import Client
from containerapp.tasks import end


@asynccontextmanager
async def _running(create: AsyncMock) -> AsyncIterator[Recorder]:
    recorder = Recorder(client=cast("Client", Mock(create=create)))
    task = asyncio.create_task(recorder.run())
    try:
        yield recorder
    finally:
        await end([task])


def _event(reason: str) -> dict[str, Any]:
    return {"metadata": {"namespace": "shop"}, "reason": reason}


async def test_events_are_written_in_order() -> None:
    """Each into the namespace of its object."""
    create = AsyncMock()
    async with _running(create) as recorder:
        for reason in ("First", "Second"):
            recorder.record(_event(reason))
        await recorder.flush(1)
    assert [(call.args[0], call.args[1]["reason"]) for call in create.await_args_list] == [
        ("/api/v1/namespaces/shop/events", "First"),
        ("/api/v1/namespaces/shop/events", "Second"),
    ]


@pytest.mark.parametrize("trouble", [Transient("ApiServerUnavailable", "It is away."), TypeError("a bug")])
async def test_an_event_that_cannot_be_written_is_lost_alone(trouble: Exception) -> None:
    """Whatever is wrong with it, the next one is written, and no reconcile notices."""
    create = AsyncMock(side_effect=[trouble, None])
    async with _running(create) as recorder:
        for reason in ("Lost", "Written"):
            recorder.record(_event(reason))
        await recorder.flush(1)
    assert create.await_count == 2


async def test_events_beyond_what_can_wait_are_lost(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An API server that takes none must not cost the operator its memory."""
    monkeypatch.setattr("containerapp.engine.recorder._MOST_WAITING", 2)
    recorder = Recorder(client=Mock())
    for reason in ("First", "Second", "Third"):
        recorder.record(_event(reason))
    assert caplog.messages == ["The event Third is lost: 2 others wait"]


async def test_a_replica_that_ends_waits_no_longer_than_it_may(caplog: pytest.LogCaptureFixture) -> None:
    """An API server that does not answer must not keep it from ending."""

    async def never(*_: object) -> None:
        await asyncio.Event().wait()

    async with _running(AsyncMock(side_effect=never)) as recorder:
        for reason in ("Running", "Waiting"):
            recorder.record(_event(reason))
        await recorder.flush(0.05)
    assert caplog.messages == ["The last events are lost, since this replica ends"]


async def test_a_request_that_is_cancelled_elsewhere_costs_one_event_alone() -> None:
    """As kopf does with all that was begun after it, when it gives up: the recorder writes on."""
    create = AsyncMock(side_effect=[asyncio.CancelledError, None])
    async with _running(create) as recorder:
        for reason in ("Lost", "Written"):
            recorder.record(_event(reason))
        await recorder.flush(1)
    assert create.await_count == 2
