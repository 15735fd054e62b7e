"""What a reconcile makes of trouble: `containerapp.reconcile`, with an API server that only ever fails."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, cast
from unittest.mock import AsyncMock, Mock

from containerapp.converge import Writer
from containerapp.errors import Transient
from containerapp.kube.cache import Cache
from containerapp.kube.client import Client, Conflict
from containerapp.reconcile import Reconciler
from tests.builders import DIGEST, KEY, NAME, app_manifest

UNAVAILABLE = Transient("ApiServerUnavailable", "The API server is away.")


def _reconciler(client: Mock, status: dict[str, Any] | None = None) -> Reconciler:
    cache = Cache()
    cache.put_app(app_manifest({"image": f"shop@{DIGEST}"}, status=status))
    writer = Writer(client=cast("Client", client), cache=cache, clock=lambda: 0.0)
    return Reconciler(
        client=cast("Client", client),
        cache=cache,
        writer=writer,
        digests=Mock(),
        default_registry="docker.io",
        clock=lambda: 0.0,
        now=lambda: datetime(2026, 1, 1, tzinfo=UTC),
    )


async def test_a_child_that_vanished_while_the_api_server_is_away_is_asked_for_again_later() -> None:
    """Whether the app still lives cannot be told just now, which is no bug in the operator."""
    client = Mock(get=AsyncMock(side_effect=UNAVAILABLE), apply=AsyncMock())
    known = {"resources": [{"apiVersion": "v1", "kind": "ServiceAccount", "name": NAME}]}
    following = await _reconciler(client, known).reconcile(KEY)
    assert following.error is UNAVAILABLE
    client.apply.assert_not_awaited()


async def test_a_status_names_the_version_of_the_app_that_it_speaks_of() -> None:
    """The API server compares no uid where a status is written: a former app's would be taken for a new one's."""
    client = Mock(
        apply=AsyncMock(side_effect=Conflict("Conflict", "The app was changed.")),
        get=AsyncMock(return_value=app_manifest({"image": f"shop@{DIGEST}"})),
    )
    reconciler = _reconciler(client)
    await reconciler.reconcile(KEY)
    app = reconciler.cache.app(KEY)
    assert app is not None
    written = client.apply.await_args.args[1]["metadata"]
    assert written["resourceVersion"] == app["metadata"]["resourceVersion"]


async def test_a_status_that_was_refused_while_the_api_server_went_away_is_tried_again() -> None:
    """The question for the app after a conflict may fail as well."""
    client = Mock(
        apply=AsyncMock(side_effect=Conflict("Conflict", "The app was changed.")),
        get=AsyncMock(side_effect=UNAVAILABLE),
    )
    following = await _reconciler(client).reconcile(KEY)
    assert following.error is UNAVAILABLE
