"""What runs while a replica leads, and what follows a reconcile: `containerapp.engine.manager`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, cast
from unittest.mock import AsyncMock, Mock

import pytest
from prometheus_client import CollectorRegistry

from containerapp.controllers import CONTROLLERS
from containerapp.core.model import Key, Manifest, Resource
from containerapp.engine.manager import Manager
from containerapp.engine.reconcile import Reconciler
from containerapp.engine.turn import Next
from containerapp.errors import Blocked, ContainerAppError, InvalidSpec, Transient
from containerapp.kube.client import Client
from containerapp.kube.definitions import DEFINITION
from containerapp.kube.nodes import NODE
from containerapp.kube.watch import CustomWatch
from containerapp.metrics import Metrics
from containerapp.settings import Settings
from containerapp.tasks import end
from tests.builders import DIGEST, KEY, NAMESPACE, app_manifest

APP = CONTROLLERS[0].resource
OPTIONAL = Resource(
    api_version="keda.sh/v1alpha1", kind="ScaledObject", plural="scaledobjects", optional=True
)
BLOCKED = Blocked("ImageNotFound", "There is no such image.")


class _Quiet:
    """An API server without children, whose watches show nothing and which takes no writes."""

    async def get(self, _url: str, **_query: str) -> dict[str, Any]:
        return {"metadata": {"resourceVersion": "5"}, "items": []}

    async def apply(self, *_: Any) -> dict[str, Any]:
        raise BLOCKED

    async def watch(self, *_: Any, **_query: Any) -> AsyncIterator[dict[str, Any]]:
        await asyncio.Event().wait()
        yield {}


async def _forever() -> None:
    await asyncio.Event().wait()


def _manager(client: Any = None, namespaces: tuple[str, ...] = ()) -> Manager:
    return Manager(
        controllers=CONTROLLERS,
        settings=Settings(namespaces=namespaces, workers=2, shutdown_timeout=5),
        client=cast("Client", client or _Quiet()),
        metrics=Metrics(CollectorRegistry(), [APP.kind]),
        make_resolver=lambda _add: Mock(run=_forever),
        stop=asyncio.Event(),
        identity="replica",
    )


@pytest.fixture
async def manager() -> AsyncIterator[Manager]:
    """A manager that has not begun to run."""
    manager = _manager()
    yield manager
    manager.queue.close()


def _sample(manager: Manager, name: str, **labels: str) -> float | None:
    return manager.metrics.registry.get_sample_value(name, {"kind": APP.kind, **labels})


def _due(manager: Manager) -> float | None:
    """Return the seconds until the key's timer rings."""
    timer = manager.queue._timers.get(KEY)
    return timer.when() - asyncio.get_running_loop().time() if timer else None


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (None, "success"),
        (InvalidSpec("InvalidImage", "The image is none."), "invalid"),
        (BLOCKED, "blocked"),
        (Transient("RegistryUnavailable", "The registry is away."), "transient"),
    ],
)
async def test_progress_that_was_put_off_is_written_whatever_answer_is_awaited(
    manager: Manager, error: ContainerAppError | None, outcome: str
) -> None:
    """A count of Pods that may wait a moment: no event need bring the object back, and no backoff begins."""
    following = Next(after=3.0, error=error, awaits_answer=error is not None)
    assert manager._follow_up(KEY, following) == outcome
    assert _due(manager) == pytest.approx(3.0, abs=1.0)
    assert manager.queue._failures == {}


@pytest.mark.parametrize(
    ("error", "earliest", "latest"),
    [
        (BLOCKED, 22.0, 38.0),
        (Transient("ApiServerUnavailable", "It is away."), 0.0, 0.4),
        (Transient("RateLimited", "It is written too often.", retry_after=12.0), 8.0, 15.5),
    ],
    ids=["another team has to act", "a passing fault", "the other side has named a time"],
)
async def test_an_error_is_retried_by_backoff(
    manager: Manager, error: ContainerAppError, earliest: float, latest: float
) -> None:
    """Slowly where another team has to act."""
    manager._follow_up(KEY, Next(error=error))
    due = _due(manager)
    assert due is not None
    assert earliest <= due <= latest


async def test_an_invalid_spec_is_not_retried(manager: Manager) -> None:
    """Only an edit helps, and an edit is an event."""
    manager.queue.retry(KEY)
    manager._follow_up(KEY, Next(error=InvalidSpec("InvalidImage", "The image is none.")))
    assert _due(manager) is None


async def test_an_object_that_is_gone_is_forgotten(manager: Manager) -> None:
    """Its timer too."""
    manager.queue.retry(KEY)
    assert manager._follow_up(KEY, Next(gone=True)) == "gone"
    assert _due(manager) is None
    assert manager.queue._failures == {}


async def test_an_event_of_an_object_is_stored_and_queued(manager: Manager) -> None:
    """Once for each version, without the managed fields; what kopf lists at first has low priority."""
    app = app_manifest(managedFields=[{"manager": "kubectl"}])
    manager._take(APP, None, app)
    assert manager.queue._low.keys() == {KEY}
    stored = manager.stores.object(KEY)
    assert stored is not None
    assert "managedFields" not in stored["metadata"]
    assert await manager.queue.get() == KEY
    manager.queue.forget(KEY)
    manager.queue.done(KEY)
    manager._take(APP, "MODIFIED", app)
    assert len(manager.queue) == 0
    manager._take(APP, "MODIFIED", app_manifest(resourceVersion="2"))
    assert list(manager.queue._ready) == [KEY]
    manager._take(APP, "DELETED", app_manifest(resourceVersion="3"))
    assert manager.stores.object(KEY) is None


async def test_a_change_of_a_host_is_news_to_the_apps_that_share_it(manager: Manager) -> None:
    """One of them may have it now."""
    expose = {"expose": {"hosts": ["shop.example.com"]}}
    other = Key(KEY.kind, "default", "other")
    manager._take(APP, "ADDED", app_manifest(expose))
    manager._take(APP, "ADDED", app_manifest({}, name="other"))
    for _ in range(2):
        manager.queue.done(await manager.queue.get())
    manager.queue._began.clear()
    manager._take(APP, "MODIFIED", app_manifest(expose, name="other", resourceVersion="2"))
    assert (list(manager.queue._ready), list(manager.queue._low)) == ([other], [KEY])
    manager._take(APP, "DELETED", app_manifest(expose, resourceVersion="3"))
    assert manager.stores.peers(other) == ()


async def test_all_objects_are_known_before_the_first_reconcile() -> None:
    """Page by page; a namespace that may not be listed is left to the watch."""
    page = {"items": [app_manifest()], "metadata": {"continue": "more"}}
    last = {"items": [app_manifest(name="another")], "metadata": {}}
    none: Manifest = {"items": [], "metadata": {}}
    others = [none] * 2 * len(CONTROLLERS[1:])
    client = Mock(get=AsyncMock(side_effect=[page, last, Blocked("Forbidden", "It is not yours."), *others]))
    manager = _manager(client, namespaces=("a", "b"))
    await manager._list_objects()
    assert {key.name for key in manager.queue._low} == {"shop", "another"}
    assert [call.kwargs.get("continue") for call in client.get.call_args_list][:3] == [None, "more", None]


async def test_objects_are_counted_by_their_readiness(manager: Manager) -> None:
    """As their statuses say."""
    ready = {"conditions": [{"type": "Ready", "status": "True"}]}
    manager._take(APP, "ADDED", app_manifest())
    manager._take(APP, "ADDED", app_manifest(name="another", status=ready))
    assert _sample(manager, "containerapp_objects", state="progressing") == 1
    assert _sample(manager, "containerapp_objects", state="ready") == 1
    assert _sample(manager, "containerapp_objects", state="stalled") == 0
    assert manager.metrics.registry.get_sample_value("containerapp_queue_depth") == 2


async def test_all_objects_are_looked_at_when_a_definition_comes_or_goes(manager: Manager) -> None:
    """Once: an informer reports it with each list."""
    manager._take(APP, "ADDED", app_manifest())
    manager.queue.done(await manager.queue.get())
    queued = []
    for installed in (True, False, False, True, True):
        manager._installed(OPTIONAL, installed)
        assert (OPTIONAL in manager.stores.absent) is not installed
        queued.append(len(manager.queue) == 1)
        if queued[-1]:
            manager.queue.done(await manager.queue.get())
    assert queued == [False, True, False, True, False]


@pytest.mark.parametrize("namespaces", [(), ("a", "b")])
async def test_there_is_an_informer_for_each_kind_and_namespace(namespaces: tuple[str, ...]) -> None:
    """None of the children is listed twice; what is only watched is listed without a selector.

    Nodes and definitions are watched where the whole cluster is served.
    """
    manager = _manager(namespaces=namespaces)
    found = [(informer.resource, informer.namespace) for informer in manager._informers]
    owned = {child.resource for controller in CONTROLLERS for child in controller.owns}
    kinds = [*owned, *(watch.resource for each in CONTROLLERS for watch in each.watches)]
    expected = [(kind, namespace) for kind in kinds for namespace in namespaces or (None,)]
    others: list[tuple[Resource, str | None]] = [] if namespaces else [(NODE, None), (DEFINITION, None)]
    assert sorted(found, key=str) == sorted(expected + others, key=str)


async def test_a_replica_is_ready_when_all_children_are_listed(manager: Manager) -> None:
    """And no longer when the watch of the custom objects keeps failing."""
    kinds = sorted({informer.resource.plural for informer in manager._informers})
    assert manager.readiness_error() == f"waiting for the first list of {', '.join(kinds)}"
    assert {"deployments", "services"} <= set(kinds)
    manager.synced = True
    assert manager.readiness_error() is None
    manager.watch._failures = 100
    assert "keeps failing" in str(manager.readiness_error())


async def test_a_replica_is_not_live_while_a_reconcile_hangs(manager: Manager) -> None:
    """Every request has a time-out far below."""
    assert manager.liveness_error() is None
    manager._busy_since[KEY] = time.monotonic() - 100.0
    assert manager.liveness_error() is None
    manager._busy_since[KEY] -= 600.0
    assert manager.liveness_error() == f"the reconcile of ContainerApp {NAMESPACE}/shop hangs"


@asynccontextmanager
async def _working(manager: Manager, reconcile: Callable[[Key], Any]) -> AsyncIterator[asyncio.Task[None]]:
    """Run one worker."""
    reconciler = cast("Reconciler", Mock(reconcile=AsyncMock(side_effect=reconcile)))
    worker = asyncio.create_task(manager._work(reconciler))
    try:
        yield worker
    finally:
        await end([worker])


async def _until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - a test
            await asyncio.sleep(0.005)


async def test_a_bug_at_one_object_does_not_end_the_worker(
    manager: Manager, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged, counted and tried again; the next object has its turn."""
    other = KEY._replace(name="other")
    seen = []

    def reconcile(key: Key) -> Next:
        seen.append(key)
        if seen == [KEY]:
            raise TypeError("a bug")
        return Next()

    async with _working(manager, reconcile):
        manager.queue.add(KEY)
        manager.queue.add(other)
        await _until(lambda: seen.count(KEY) == 2)
    assert seen == [KEY, other, KEY]
    assert "by a bug in the operator" in caplog.text
    assert _sample(manager, "containerapp_reconciles_total", outcome="bug") == 1
    assert _sample(manager, "containerapp_reconciles_total", outcome="success") == 2
    assert manager._busy_since == {}


async def test_a_reconcile_that_is_cancelled_elsewhere_is_tried_again(manager: Manager) -> None:
    """As kopf cancels all that was begun after it, when it gives up; the worker goes on."""
    seen = []

    def reconcile(key: Key) -> Next:
        seen.append(key)
        if len(seen) == 1:
            raise asyncio.CancelledError
        return Next()

    async with _working(manager, reconcile):
        manager.queue.add(KEY)
        await _until(lambda: len(seen) == 2)


@pytest.mark.parametrize("stopped", [True, False])
async def test_a_reconcile_may_finish_when_the_replica_stops(manager: Manager, *, stopped: bool) -> None:
    """Not when the Lease is lost: another replica may act by then."""
    begun, finish, finished = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def reconcile(_key: Key) -> Next:
        begun.set()
        await finish.wait()
        finished.set()
        return Next()

    async with _working(manager, reconcile) as worker:
        manager.queue.add(KEY)
        await begun.wait()
        if stopped:
            manager.stop.set()
        worker.cancel()
        await asyncio.sleep(0.05)
        assert worker.done() is not stopped
        finish.set()
        await asyncio.wait([worker], timeout=5)
    assert finished.is_set() is stopped


async def test_runs_until_it_has_to_stop() -> None:
    """Lists the children, then watches the custom objects and reconciles; in the end no task is left."""
    manager = _manager()
    watching = asyncio.Event()

    async def watch() -> None:
        watching.set()
        manager._take(APP, "ADDED", app_manifest({"image": f"shop@{DIGEST}"}))
        await _forever()

    manager.watch = cast("CustomWatch", Mock(run=watch, broken=False))
    before = asyncio.all_tasks()
    running = asyncio.create_task(manager.run())
    await asyncio.wait_for(watching.wait(), 5)
    assert manager.readiness_error() is None
    await _until(lambda: _sample(manager, "containerapp_reconciles_total", outcome="blocked"))
    manager.stop.set()
    await asyncio.wait_for(running, 5)
    assert asyncio.all_tasks() == before
    assert manager.queue._timers == {}
