"""What a reconcile makes of trouble: `containerapp.engine.reconcile`, with an API server that only ever fails."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count
from typing import Any, cast
from unittest.mock import AsyncMock, Mock

import pytest

from containerapp.core.model import Manifest
from containerapp.engine.apply import Writer
from containerapp.engine.reconcile import Next, Reconciler, _sooner
from containerapp.errors import Blocked, Transient
from containerapp.kube.client import Client, Conflict, NotFound
from containerapp.kube.store import Cache
from containerapp.registries.resolver import Failed
from tests.builders import (
    DIGEST,
    KEY,
    NAME,
    Clock,
    an_app,
    app_manifest,
    as_stored,
    desired_children,
    live_children,
    pinned,
)

AVAILABLE = {"observedGeneration": 1} | dict.fromkeys(
    ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"), 1
)
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
        recorder=Mock(),
        default_registry="docker.io",
        clock=lambda: 0.0,
        now=lambda: datetime(2026, 1, 1, tzinfo=UTC),
    )


def _at(manifest: Manifest, version: int) -> Manifest:
    """Return the object as it is at another version."""
    return {**manifest, "metadata": {**manifest["metadata"], "resourceVersion": str(version)}}


def _seen(*resources: dict[str, str]) -> dict[str, Any]:
    """Return the status of an app that has these children."""
    return {"observedGeneration": 1, "resources": list(resources)}


async def test_a_child_that_vanished_while_the_api_server_is_away_is_asked_for_again_later() -> None:
    """Whether the app still lives cannot be told just now, which is no bug in the operator."""
    client = Mock(get=AsyncMock(side_effect=UNAVAILABLE), apply=AsyncMock())
    known = _seen({"apiVersion": "v1", "kind": "ServiceAccount", "name": NAME})
    following = await _reconciler(client, known).reconcile(KEY)
    assert following.error is UNAVAILABLE
    client.apply.assert_not_awaited()


async def test_news_of_an_app_that_come_by_a_question_are_acted_upon() -> None:
    """The watch was broken when the app was edited; when it tells at last, that is known already and no news."""
    known = _seen({"apiVersion": "v1", "kind": "ServiceAccount", "name": NAME})
    spec = {"image": f"shop@{DIGEST}", "port": 9090}
    edited = app_manifest(spec, status=known, resourceVersion="2", generation=2)
    client = Mock(apply=AsyncMock(side_effect=UNAVAILABLE), get=AsyncMock(return_value=edited))
    reconciler = _reconciler(client, known)
    assert await reconciler.reconcile(KEY) == Next(after=0.0)
    client.apply.assert_not_awaited()
    await reconciler.reconcile(KEY)
    ports = [
        call.args[1]["spec"]["ports"][0]["port"]
        for call in client.apply.await_args_list
        if call.args[1]["kind"] == "Service"
    ]
    assert ports == [9090]


async def test_an_app_that_is_held_off_is_told_so_once_a_pause() -> None:
    """However often somebody undoes what is written."""

    def store(url: str, body: Manifest) -> Manifest:
        if url.endswith("/status"):
            raise Conflict("Conflict", "The app was changed.")
        return as_stored(body)

    client = Mock(apply=AsyncMock(side_effect=store))
    reconciler, clock = _reconciler(client), Clock()
    reconciler.clock = reconciler.writer.clock = clock
    recorder = cast("Mock", reconciler.recorder)
    others = live_children(an_app({"image": f"shop@{DIGEST}", "port": 9090})).values()
    told = []
    for turn, seconds in enumerate((0, 0, 0, 0, 0, 4, 5.5, 0.2)):
        clock.now += seconds
        for child in others:
            reconciler.cache.put_child(_at(child, 200 + turn))
        await reconciler.reconcile(KEY)
        events = [call.args[0] for call in recorder.record.call_args_list]
        told.append([event["message"] for event in events if event["reason"] == "HeldOff"])
    assert [len(messages) for messages in told] == [0, 0, 0, 0, 1, 1, 1, 1]
    assert " in 10 s" in told[-1][0]


async def test_children_that_somebody_deletes_again_and_again_are_made_again_ever_more_seldom() -> None:
    """As one does that undoes updates: Pods that live for a second are no use to anybody."""
    versions, made = count(200), Counter[str]()

    def store(url: str, body: Manifest) -> Manifest:
        if url.endswith("/status"):
            raise Conflict("Conflict", "The app was changed.")
        made[body["kind"]] += 1
        return _at(as_stored(body), next(versions))

    app = app_manifest({"image": f"shop@{DIGEST}"})
    client = Mock(apply=AsyncMock(side_effect=store), get=AsyncMock(return_value=app))
    refs = live_children(an_app({"image": f"shop@{DIGEST}"}))
    known = [{"apiVersion": ref.api_version, "kind": ref.kind, "name": ref.name} for ref in refs]
    reconciler, clock = _reconciler(client, _seen(*known)), Clock()
    reconciler.clock = reconciler.writer.clock = clock
    for _ in range(120):
        await reconciler.reconcile(KEY)
        for child in reconciler.cache.children(KEY).values():
            reconciler.cache.drop_child(_at(child, next(versions)))
        clock.now += 0.5
    assert 4 <= made["Deployment"] <= 7


async def test_an_app_that_waits_for_its_first_child_may_be_gone() -> None:
    """Its end was told while the watch was broken; the image that it waited for must not run for nobody."""
    gone = NotFound("NotFound", "There is no such app.")
    client = Mock(apply=AsyncMock(), get=AsyncMock(side_effect=gone))
    reconciler = _reconciler(client, _seen())
    assert await reconciler.reconcile(KEY) == Next(after=0.0)
    client.apply.assert_not_awaited()
    assert reconciler.cache.app(KEY) is None


async def test_an_account_without_labels_is_found_before_the_status_forgets_it() -> None:
    """Somebody took them off while nobody led; the app names another account by now, and its image is not known."""
    app = an_app({"image": f"shop@{DIGEST}"})
    (account,) = [child for child in live_children(app).values() if child["kind"] == "ServiceAccount"]
    account["metadata"]["labels"] = {}
    missing = NotFound("NotFound", "There is no such image.")
    client = Mock(
        get=AsyncMock(return_value=account), merge=AsyncMock(return_value=account), apply=AsyncMock()
    )
    reconciler = _reconciler(client)
    reconciler.digests = Mock(lookup=Mock(return_value=Failed(error=missing)))
    spec = {"image": "shop:1.0", "serviceAccountName": "default"}
    known = _seen({"apiVersion": "v1", "kind": "ServiceAccount", "name": NAME})
    reconciler.cache.put_app(app_manifest(spec, status=known, resourceVersion="2", generation=2))
    assert await reconciler.reconcile(KEY) == Next(after=0.0)
    assert client.merge.await_args.args[0].endswith(f"/serviceaccounts/{NAME}")
    client.apply.assert_not_awaited()


def _storing() -> tuple[Mock, list[str]]:
    """Return a client whose API server stores all that it is sent, and the kinds that were, in order."""
    app, versions, kinds = app_manifest({"image": f"shop@{DIGEST}"}), count(200), list[str]()

    def store(_url: str, body: Manifest) -> Manifest:
        kinds.append(body["kind"])
        told = {**app, "status": body.get("status")}
        return _at(told if body["kind"] == "ContainerApp" else as_stored(body), next(versions))

    client = Mock(apply=AsyncMock(side_effect=store), get=AsyncMock(return_value=app), versions=versions)
    return client, kinds


async def test_the_first_status_is_told_when_other_apps_have_their_children() -> None:
    """By then the app may be Ready, which is all that needs telling."""
    client, written = _storing()
    reconciler = _reconciler(client)
    assert await reconciler.reconcile(KEY) == Next(after=0.0)
    assert written == ["ServiceAccount", "Deployment"]
    await reconciler.reconcile(KEY)
    assert written == ["ServiceAccount", "Deployment", "ContainerApp"]
    client.get.assert_not_awaited()


async def test_the_first_status_is_told_at_once_where_the_image_is_not_known() -> None:
    """There is no Deployment to wait for, but something to mend."""
    client, written = _storing()
    reconciler = _reconciler(client)
    missing = Failed(error=Blocked("ImageNotFound", "There is no such image."))
    cast("Mock", reconciler.digests).lookup.return_value = missing
    reconciler.cache.put_app(app_manifest({"image": "shop:1.0"}, resourceVersion="2"))
    await reconciler.reconcile(KEY)
    assert written == ["ServiceAccount", "ContainerApp"]


@pytest.mark.parametrize("refused", [False, True], ids=["put off", "refused"])
async def test_a_child_that_vanishes_before_the_first_status_is_not_made_for_an_app_that_is_gone(
    *, refused: bool
) -> None:
    """Its app may have gone with it: no status names the child yet, from which that could be seen."""
    client, written = _storing()
    reconciler = _reconciler(client)
    await reconciler.reconcile(KEY)
    if refused:
        store, client.apply.side_effect = client.apply.side_effect, UNAVAILABLE
        assert (await reconciler.reconcile(KEY)).error is UNAVAILABLE
        client.apply.side_effect = store
    for child in list(reconciler.cache.children(KEY).values()):
        reconciler.cache.drop_child(_at(child, 999))
    client.get.side_effect = NotFound("NotFound", "There is no such app.")
    assert await reconciler.reconcile(KEY) == Next(after=0.0)
    assert reconciler.cache.app(KEY) is None
    assert written == ["ServiceAccount", "Deployment"]


async def test_an_app_that_is_refused_a_child_is_not_asked_for_at_each_try() -> None:
    """Once its status tells of the refusal, there is nothing that it was not told of."""
    client, written = _storing()
    store = client.apply.side_effect
    reconciler = _reconciler(client)
    await reconciler.reconcile(KEY)
    (deployment,) = [each for each in reconciler.cache.children(KEY).values() if each["kind"] == "Deployment"]
    reconciler.cache.drop_child(_at(deployment, 999))

    def refuse(url: str, body: Manifest) -> Manifest:
        if body["kind"] == "Deployment":
            raise Blocked("Forbidden", "A quota is used up.")
        stored: Manifest = store(url, body)
        return stored

    client.apply.side_effect = refuse
    for _ in range(4):
        assert (await reconciler.reconcile(KEY)).error is not None
    assert written == ["ServiceAccount", "Deployment", "ContainerApp"]
    client.get.assert_awaited_once()


async def test_a_child_without_labels_is_found_though_no_status_names_it_yet() -> None:
    """Made a moment ago; before the first status somebody takes its labels off, and the app wants it no more."""
    client, written = _storing()
    reconciler = _reconciler(client)
    await reconciler.reconcile(KEY)
    children = list(reconciler.cache.children(KEY).values())
    (account,) = [child for child in children if child["kind"] == "ServiceAccount"]
    reconciler.cache.drop_child(_at(account, next(client.versions)))
    account = _at(account, next(client.versions))
    spec = {"image": f"shop@{DIGEST}", "serviceAccountName": "default"}
    reconciler.cache.put_app(app_manifest(spec, resourceVersion="900", generation=2))
    client.get = client.merge = AsyncMock(return_value=account)
    assert await reconciler.reconcile(KEY) == Next(after=0.0)
    assert client.merge.await_args.args[0].endswith(f"/serviceaccounts/{NAME}")
    assert written == ["ServiceAccount", "Deployment"]
    await reconciler.reconcile(KEY)
    assert written == ["ServiceAccount", "Deployment", "Deployment", "ContainerApp"]


async def test_a_repair_goes_before_its_telling_unless_the_next_one_has_to_wait() -> None:
    """Whoever undoes the last one finds the app held off: its status must not say Ready all the while."""
    client, written = _storing()
    reconciler = _reconciler(client)
    for _ in range(2):
        await reconciler.reconcile(KEY)
    turns = []
    for _ in range(5):
        children = reconciler.cache.children(KEY).values()
        (deployment,) = [each for each in children if each["kind"] == "Deployment"]
        turn = []
        for change in (
            {"metadata": {**deployment["metadata"], "generation": 1}, "status": AVAILABLE},
            {"spec": {**deployment["spec"], "replicas": 7}},
            {},
        ):
            if change:
                reconciler.cache.put_child(_at({**deployment, **change}, next(client.versions)))
            written.clear()
            await reconciler.reconcile(KEY)
            turn.append("+".join(written))
        turns.append(turn)
    status = "ContainerApp"
    assert turns[:3] == [[status, "Deployment", status]] * 3
    assert turns[3] == [status, f"Deployment+{status}", ""]
    assert turns[4] == [status, "", ""], "held off"


@pytest.mark.parametrize("asked", ["edit", "refresh"])
async def test_what_somebody_has_asked_for_is_told_at_once(asked: str) -> None:
    """Another generation, or another digest of the same tag: the status that stands says Ready of the former one."""
    client, written = _storing()
    reconciler = _reconciler(client)
    for _ in range(2):
        await reconciler.reconcile(KEY)
    told = reconciler.cache.app(KEY)
    assert told is not None
    status, generation = told["status"], 2 if asked == "edit" else 1
    status["image"]["digest"] = f"sha256:{'0' * 64}"
    edited = app_manifest({"image": f"shop@{DIGEST}"}, status=status, generation=generation)
    reconciler.cache.put_app(_at(edited, next(client.versions)))
    (deployment,) = [each for each in reconciler.cache.children(KEY).values() if each["kind"] == "Deployment"]
    former = {**deployment, "spec": {**deployment["spec"], "replicas": 7}}
    reconciler.cache.put_child(_at(former, next(client.versions)))
    written.clear()
    await reconciler.reconcile(KEY)
    assert written == ["Deployment", "ContainerApp"]


async def test_a_count_that_may_wait_is_told_later_though_an_image_is_in_error() -> None:
    """The registry says the same again, which is no news: nothing else would bring the app back."""
    after = Next(error=UNAVAILABLE, awaits_news=True)
    assert _sooner(after, 3.0) == replace(after, after=3.0)
    assert _sooner(Next(error=UNAVAILABLE), 3.0) == Next(error=UNAVAILABLE)
    assert _sooner(Next(after=2.0), 3.0) == Next(after=2.0)


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
    """The question whether the app is gone may fail as well."""
    client = Mock(
        apply=AsyncMock(side_effect=NotFound("NotFound", "There is no such app.")),
        get=AsyncMock(side_effect=UNAVAILABLE),
    )
    following = await _reconciler(client).reconcile(KEY)
    assert following.error is UNAVAILABLE


async def test_a_status_that_came_too_late_costs_no_question() -> None:
    """The watch brings what the app has become; a reader asks nobody for it."""
    conflict = Conflict("Conflict", "The app was changed.")
    client = Mock(apply=AsyncMock(side_effect=conflict), get=AsyncMock(return_value=app_manifest()))
    following = await _reconciler(client).reconcile(KEY)
    assert following.error is conflict
    assert [call.args[0] for call in client.get.await_args_list if "containerapps" in call.args[0]] == []


@pytest.mark.parametrize("answer", ["none", "alive", "away"])
async def test_what_a_deleted_app_leaves_is_deleted_when_the_collector_has_forgotten_it(answer: str) -> None:
    """It has a minute for it; then the API server is asked whether the app is really gone."""
    get = AsyncMock(return_value=app_manifest())
    if answer != "alive":
        get.side_effect = NotFound("NotFound", "There is no such app.") if answer == "none" else UNAVAILABLE
    client, clock = Mock(get=get, delete=AsyncMock()), Mock(return_value=0.0)
    reconciler = _reconciler(client)
    reconciler.clock = clock
    for child in desired_children(an_app({"port": 8080})):
        child["metadata"] |= {"uid": f"uid of {child['kind']}", "resourceVersion": "5"}
        reconciler.cache.put_child(child)
    reconciler.cache.drop_app(KEY)
    assert await reconciler.reconcile(KEY) == Next(after=60.0)
    clock.return_value = 59.0
    assert await reconciler.reconcile(KEY) == Next(after=1.0)
    client.get.assert_not_awaited()
    clock.return_value = 60.0
    following = await reconciler.reconcile(KEY)
    deleted = [call.kwargs["uid"] for call in client.delete.await_args_list]
    if answer == "none":
        assert deleted == ["uid of Deployment", "uid of Service", "uid of ServiceAccount"]
    else:
        assert deleted == []
        assert following == (Next(after=0.0) if answer == "alive" else Next(error=UNAVAILABLE))


async def test_what_somebody_keeps_of_a_deleted_app_is_left_alone() -> None:
    """Without an owner it is nobody's garbage."""
    client = Mock(get=AsyncMock(), delete=AsyncMock())
    reconciler = _reconciler(client)
    for child in desired_children(an_app()):
        del child["metadata"]["ownerReferences"]
        reconciler.cache.put_child(_at(child, 5))
    reconciler.cache.drop_app(KEY)
    assert await reconciler.reconcile(KEY) == Next(gone=True)


@pytest.mark.parametrize(
    ("counts", "asked"),
    [
        ({"observedGeneration": 2, "replicas": 1, "updatedReplicas": 1}, 1),
        ({"observedGeneration": 2, "replicas": 1}, 0),
        ({"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1}, 0),
    ],
    ids=["new Pods are there", "none is there yet", "the Deployment's controller has not looked"],
)
async def test_pods_are_asked_what_they_wait_for_once_there_are_any(
    counts: dict[str, int], asked: int
) -> None:
    """Where hundreds of apps roll at once most wait for Kubernetes' controllers, and their Pods know nothing of it."""
    since = {
        "type": "Reconciling",
        "status": "True",
        "reason": "RollingOut",
        "message": "…",
        "lastTransitionTime": "2025-12-31T23:59:00Z",
    }
    client = Mock(get=AsyncMock(return_value={"items": []}), apply=AsyncMock(return_value=app_manifest()))
    reconciler = _reconciler(client, {"conditions": [since]})
    image = f"shop@{DIGEST}"
    for child in live_children(an_app({"image": image}), pinned(image)).values():
        child["metadata"]["generation"] = 2
        reconciler.cache.put_child(child | ({"status": counts} if child["kind"] == "Deployment" else {}))
    following = await reconciler.reconcile(KEY)
    assert [call.args[0].split("/")[-1] for call in client.get.await_args_list] == ["pods"] * asked
    assert (following.after is not None) == bool(asked), "who can ask nobody waits for an event"
