"""The Events of children: asked when a controller wants them, at growing intervals."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast
from unittest.mock import AsyncMock, Mock

import pytest

from containerapp.controllers.containerapp.controller import CONTAINER_APP
from containerapp.core.model import Manifest, ObjectRef
from containerapp.engine.memory import Memory
from containerapp.engine.throttle import TokenBucket
from containerapp.engine.warnings import WarningQuestions, newest_warning
from containerapp.errors import Transient
from containerapp.kube.client import Client
from tests.builders import SERVICE, Clock, a_view, an_app

FAILED = {"type": "Warning", "reason": "FailedBuildModel", "message": "No subnets.", "metadata": {}}
BUILT = {"type": "Normal", "reason": "SuccessfullyReconciled", "message": "Done.", "metadata": {}}


class Asking:
    """Questions about the Service of an app, and what the API server answers."""

    def __init__(self) -> None:
        """Begin with an app that nothing has been asked about."""
        self.clock, self.get = Clock(), AsyncMock(return_value={"items": [FAILED]})
        self.questions = WarningQuestions(client=cast("Client", Mock(get=self.get)), clock=self.clock)
        self.memory = Memory(uid="1", since=0.0, bucket=TokenBucket(since=0.0))
        self.view = a_view(an_app({"port": 80}))

    async def ask(self, *refs: ObjectRef, after: float = 0.0) -> dict[ObjectRef, str]:
        """Ask about some children after some seconds."""
        self.clock.now += after
        controller = replace(CONTAINER_APP, asks=lambda _view, _inputs: refs)
        return dict(await self.questions.newest(controller, self.view, None, self.memory))


async def test_a_child_is_asked_about_at_growing_intervals() -> None:
    """One list of the events of that very object; the answer holds until the next."""
    asking = Asking()
    assert await asking.ask(SERVICE) == {SERVICE: "FailedBuildModel: No subnets."}
    (url,), options = asking.get.call_args
    assert url == "/api/v1/namespaces/default/events"
    assert options["fieldSelector"] == "involvedObject.kind=Service,involvedObject.uid=uid-of-Service"
    asking.get.return_value = {"items": []}
    assert await asking.ask(SERVICE, after=19) == {SERVICE: "FailedBuildModel: No subnets."}
    assert await asking.ask(SERVICE, after=1) == {}
    await asking.ask(SERVICE, after=39)
    assert asking.get.await_count == 2
    await asking.ask(SERVICE, after=1)
    assert asking.get.await_count == 3


async def test_nothing_is_asked_about_a_child_that_is_well() -> None:
    """And the next question is asked at once again."""
    asking = Asking()
    assert await asking.ask() == {}
    asking.get.assert_not_awaited()
    await asking.ask(SERVICE)
    assert await asking.ask() == {}
    await asking.ask(SERVICE)
    assert asking.get.await_count == 2


async def test_events_that_cannot_be_listed_are_none() -> None:
    """The reconcile goes on."""
    asking = Asking()
    asking.get.side_effect = Transient("ApiServerUnavailable", "It is away.")
    assert await asking.ask(SERVICE) == {}


@pytest.mark.parametrize(
    ("events", "newest"),
    [
        ([], None),
        (
            [
                {**FAILED, "lastTimestamp": "2026-01-01T00:00:01Z"},
                {**BUILT, "eventTime": "2026-01-01T00:00:02Z"},
            ],
            None,
        ),
        (
            [
                {**BUILT, "lastTimestamp": "2026-01-01T00:00:01Z"},
                {**FAILED, "series": {"lastObservedTime": "2026-01-01T00:00:02Z"}},
            ],
            "FailedBuildModel: No subnets.",
        ),
        (
            [{**FAILED, "metadata": {"creationTimestamp": "2026-01-01T00:00:01Z"}}],
            "FailedBuildModel: No subnets.",
        ),
        ([{"type": "Warning", "metadata": {}}], ": "),
    ],
)
def test_the_newest_event_counts(events: list[Manifest], newest: Any) -> None:
    """A success that came later ends a warning."""
    assert newest_warning(events) == newest
