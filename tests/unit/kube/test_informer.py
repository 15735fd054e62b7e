"""How one kind of children is mirrored: `containerapp.kube.informer`, with an API server that follows a script."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from containerapp.api.schema import API_VERSION
from containerapp.core.model import Key, Manifest, Resource
from containerapp.errors import Blocked, Transient
from containerapp.kube.client import Client, Expired, NotFound
from containerapp.kube.informer import Informer
from containerapp.kube.store import Store
from containerapp.tasks import end
from tests.builders import KIND, NAMESPACE, UID

SERVICES = Resource(api_version="v1", kind="Service", plural="services")
SCALERS = Resource(api_version="keda.sh/v1", kind="ScaledObject", plural="scaledobjects", optional=True)
ABSENT = NotFound("NotFound", "There is no such path.")
AWAY = Transient("ApiServerUnavailable", "It is away.")
FORBIDDEN = Blocked("Forbidden", "It may not be listed.")


def _key(name: str) -> Key:
    return Key(KIND, NAMESPACE, name)


def _item(name: str, version: int) -> Manifest:
    """Return a child as it is in a list: without a kind of its own."""
    owner = {"apiVersion": API_VERSION, "kind": KIND, "name": name, "uid": UID}
    metadata = {"name": name, "namespace": NAMESPACE, "resourceVersion": str(version)}
    return {"metadata": {**metadata, "ownerReferences": [owner], "managedFields": []}}


def _event(what: str, name: str, version: int) -> Manifest:
    return {"type": what, "object": _item(name, version)}


def _page(version: int, *items: Manifest, token: str | None = None) -> Manifest:
    return {"metadata": {"resourceVersion": str(version), "continue": token}, "items": list(items)}


@dataclass(kw_only=True)
class _Script:
    """Answers lists and watches in order; beyond the script, a watch stays silent and a list is the last one."""

    lists: list[Manifest | BaseException] = field(default_factory=list)
    watches: list[list[Manifest] | Exception] = field(default_factory=list)
    listed: list[dict[str, Any]] = field(default_factory=list)
    watched: list[str] = field(default_factory=list)

    async def get(self, _url: str, **query: Any) -> Manifest:
        self.listed.append(query)
        answer = self.lists.pop(0) if len(self.lists) > 1 else self.lists[0]
        if isinstance(answer, BaseException):
            raise answer
        return answer

    async def watch(self, _url: str, *, resourceVersion: str, **_: Any) -> AsyncIterator[Manifest]:  # noqa: N803
        self.watched.append(resourceVersion)
        if not self.watches:
            await asyncio.Event().wait()
        events = self.watches.pop(0)
        if isinstance(events, Exception):
            raise events
        for event in events:
            yield event


@dataclass(kw_only=True)
class _Reports:
    """What an informer has reported."""

    now: list[str] = field(default_factory=list)
    later: list[str] = field(default_factory=list)
    installed: list[bool] = field(default_factory=list)


@asynccontextmanager
async def _running(
    script: _Script, resource: Resource = SERVICES, namespace: str | None = None
) -> AsyncIterator[tuple[Informer, _Reports]]:
    reports = _Reports()
    informer = Informer(
        client=cast("Client", script),
        store=Store(
            resource=resource, owner_of=lambda item: _key(item["metadata"]["ownerReferences"][0]["name"])
        ),
        namespace=namespace,
        notify=lambda key: reports.now.append(key.name),
        notify_later=lambda key: reports.later.append(key.name),
        installed=lambda _resource, installed: reports.installed.append(installed),
    )
    task = asyncio.create_task(informer.run())
    try:
        yield informer, reports
    finally:
        await end([task])


async def _until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - a test
            await asyncio.sleep(0.005)


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """No pause is longer than a moment."""
    monkeypatch.setattr("containerapp.kube.informer._BACKOFF", (0.01,) * 6)
    monkeypatch.setattr("containerapp.kube.informer._PAUSE", 0.01)
    monkeypatch.setattr("containerapp.kube.informer._ABSENT_RETRY", 0.01)


async def test_lists_page_by_page_and_watches_from_there() -> None:
    """What is listed has low priority; what changes has not."""
    script = _Script(
        lists=[_page(5, _item("a", 3), token="next"), _page(5, _item("b", 4))],  # noqa: S106 - of a page
        watches=[[_event("MODIFIED", "a", 6), _event("DELETED", "b", 7), _event("MODIFIED", "a", 6)]],
    )
    async with _running(script) as (informer, reports):
        await _until(lambda: len(script.watched) == 2)
        assert informer.synced.is_set()
        assert isinstance(informer.store, Store)
    (child,) = informer.store
    assert (child["apiVersion"], child["kind"]) == ("v1", "Service")
    assert "managedFields" not in child["metadata"]
    assert (sorted(reports.later), reports.now) == (["a", "b"], ["a", "b"])
    assert [query.get("continue") for query in script.listed] == [None, "next"]
    assert script.watched == ["5", "6"]


async def test_of_a_kind_of_which_the_metadata_is_kept_nothing_else_is_asked_for() -> None:
    """An empty list of metadata has no items: they are null."""
    resource = Resource(api_version="v1", kind="Service", plural="services", metadata_only=True)
    event = _event("ADDED", "a", 6)
    event["object"] |= {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "spec": {"x": 1}}
    empty = {"metadata": {"resourceVersion": "5"}, "items": None}
    script = _Script(lists=[empty], watches=[[event]])
    async with _running(script, resource) as (informer, _):
        await _until(lambda: len(informer.store) == 1)
        assert isinstance(informer.store, Store)
        (child,) = informer.store
    assert (child["kind"], "spec" in child) == ("Service", False)
    assert script.listed[0]["metadata_only"] is True


async def test_a_watch_that_breaks_continues_where_it_broke() -> None:
    """A bookmark counts, too; nothing is listed again."""
    bookmark = {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "9"}}}
    script = _Script(lists=[_page(5)], watches=[[_event("ADDED", "a", 6), bookmark], AWAY, AWAY])
    async with _running(script) as (_, reports):
        await _until(lambda: len(script.watched) == 4)
    assert script.watched == ["5", "9", "9", "9"]
    assert (len(script.listed), reports.now) == (1, ["a"])


@pytest.mark.parametrize(
    "end_of_watch",
    [
        [Expired("Expired", "too old")],
        [[{"type": "ERROR", "object": {"code": 410, "message": "too old"}}]],
        [AWAY] * 6,
    ],
    ids=["refused", "in the stream", "it keeps breaking"],
)
async def test_what_cannot_be_watched_from_is_listed_again(end_of_watch: list[Any]) -> None:
    """What has vanished meanwhile is found by the list."""
    script = _Script(lists=[_page(5, _item("a", 3)), _page(9)], watches=end_of_watch)
    async with _running(script) as (informer, reports):
        await _until(lambda: script.watched[-1:] == ["9"])
        assert len(informer.store) == 0
    assert reports.later == ["a", "a"]


async def test_whatever_an_odd_answer_breaks_the_informer_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    """A proxy answers, or a request is cancelled elsewhere."""
    script = _Script(lists=[{"no": "list"}, AWAY, asyncio.CancelledError(), _page(5)])
    async with _running(script) as (informer, _):
        await asyncio.wait_for(informer.synced.wait(), 5)
    assert len(caplog.messages) == 2


async def test_a_list_of_nothing_may_have_no_items() -> None:
    """The API server writes null for an empty list of metadata."""
    script = _Script(lists=[{**_page(5), "items": None}])
    async with _running(script) as (informer, _):
        await asyncio.wait_for(informer.synced.wait(), 5)
        assert len(informer.store) == 0


async def test_a_definition_that_has_to_be_there_is_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    """The replica is not ready before."""
    script = _Script(lists=[ABSENT])
    async with _running(script) as (informer, reports):
        await _until(lambda: len(script.listed) == 3)
        assert not informer.synced.is_set()
    assert reports.installed == []
    assert "The services of the cluster cannot be watched" in caplog.text


async def test_an_optional_definition_comes_and_goes() -> None:
    """The replica is ready without it; when it goes, all objects of its kind are gone."""
    script = _Script(lists=[ABSENT, ABSENT, _page(5, _item("a", 3)), ABSENT], watches=[[], ABSENT])
    async with _running(script, SCALERS) as (informer, reports):
        await asyncio.wait_for(informer.synced.wait(), 5)
        assert reports.installed[0] is False
        await _until(lambda: len(reports.installed) >= 4)
        assert len(informer.store) == 0
    assert reports.installed[:4] == [False, False, True, False]
    assert reports.later == ["a", "a"]


@pytest.mark.parametrize(
    ("resource", "namespace", "ready"),
    [(SERVICES, None, False), (SERVICES, "shop", True), (SCALERS, None, True)],
    ids=["the cluster", "one of several namespaces", "an optional kind"],
)
async def test_what_may_not_be_listed_stops_no_other(
    resource: Resource, namespace: str | None, *, ready: bool
) -> None:
    """A namespace that was lost, and an optional kind, do not keep the replica from being ready."""
    script = _Script(lists=[FORBIDDEN])
    async with _running(script, resource, namespace) as (informer, _):
        await _until(lambda: len(script.listed) == 3)
        assert informer.synced.is_set() is ready
