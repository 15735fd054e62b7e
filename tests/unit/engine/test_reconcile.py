"""One reconcile after another: `containerapp.engine.reconcile`, with an API server that stores what it is sent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from unittest.mock import Mock, call

import pytest

from containerapp.controllers.containerapp.controller import CONTAINER_APP, OWNS
from containerapp.controllers.containerapp.failure import Finding
from containerapp.core.model import (
    Child,
    Controller,
    Failed,
    Key,
    Listing,
    Manifest,
    ObjectRef,
    Pending,
    Resolved,
    Resource,
    View,
)
from containerapp.core.policy import Platform
from containerapp.engine.apply import Applier
from containerapp.engine.reconcile import Reconciler, _sooner
from containerapp.engine.recorder import Recorder
from containerapp.engine.turn import Next
from containerapp.errors import Blocked, InvalidSpec, Transient
from containerapp.kube.client import Client, NamespaceTerminating, NotFound
from containerapp.kube.store import Stores
from tests.builders import (
    DEPLOYMENT,
    DIGEST,
    KEY,
    NAME,
    NEW_DIGEST,
    OTHER_UID,
    REVISION,
    SERVICE,
    SERVICE_ACCOUNT,
    Clock,
    an_app,
    app_manifest,
    live_children,
    with_rollout,
)
from tests.expectations import conditions, summary
from tests.unit.engine.fake_api import FakeApi, Request

IMAGE = f"shop@{DIGEST}"
APP_URL = "/apis/containerapp.dev/v1alpha1/namespaces/default/containerapps/shop"
PODS_URL = "/api/v1/namespaces/default/pods"
URLS = {
    SERVICE_ACCOUNT: "/api/v1/namespaces/default/serviceaccounts/shop",
    SERVICE: "/api/v1/namespaces/default/services/shop",
    REVISION: "/apis/apps/v1/namespaces/default/controllerrevisions/shop-1",
    DEPLOYMENT: "/apis/apps/v1/namespaces/default/deployments/shop",
}
STATUS = "apply ContainerApp/status"
AWAY = Transient("ApiServerUnavailable", "The API server is away.")
MISSING = Blocked("ImageNotFound", "There is no such image.")
BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(kw_only=True)
class World:
    """An API server, what is known of it, and the reconciler between them."""

    controller: Controller = CONTAINER_APP
    api: FakeApi = field(default_factory=FakeApi)
    clock: Clock = field(default_factory=Clock)
    digests: Mock = field(default_factory=lambda: Mock(runs_by_tag=Mock(return_value=False)))
    events: list[Manifest] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.stores = Stores((self.controller,))
        self.reconciler = Reconciler(
            controllers={KEY.kind: self.controller},
            client=cast("Client", self.api),
            stores=self.stores,
            applier=Applier(client=cast("Client", self.api), stores=self.stores, adopted=Mock()),
            digests=self.digests,
            recorder=cast("Recorder", Mock(record=self.events.append)),
            platform=Platform(),
            clock=self.clock,
            now=lambda: BEGINNING + timedelta(seconds=self.clock.now),
        )

    def edit(self, spec: dict[str, Any] | None = None, **options: Any) -> Manifest:
        """Create or edit the app, and let the watch show it."""
        options = {"status": self.status or None, **options}
        app = self.api.store(APP_URL, app_manifest({"image": IMAGE, **(spec or {})}, **options))
        self.stores.put_object(KEY, app)
        return app

    def show(self, ref: ObjectRef, **changes: Any) -> Manifest:
        """Let another client change a child, and the watch show it."""
        child = self.api.store(URLS[ref], {**self.api.objects[URLS[ref]], **changes})
        self.stores.of(child).put(child)
        return child

    def remove(self, ref: ObjectRef) -> None:
        """Let another client delete a child, and the watch show it."""
        child = self.api.objects.pop(URLS[ref])
        metadata = {**child["metadata"], "resourceVersion": self.api.next_version()}
        self.stores.of(child).drop({**child, "metadata": metadata})

    def lose(self) -> None:
        """Delete the app, and let the watch show it."""
        app = self.api.objects.pop(APP_URL)
        metadata = {**app["metadata"], "resourceVersion": self.api.next_version()}
        self.stores.drop_object(KEY, {**app, "metadata": metadata})

    def roll_out(self, **counts: Any) -> None:
        """Let Kubernetes report how far the rollout has come; without counts it has ended."""
        self.show(DEPLOYMENT, **with_rollout(self.api.objects[URLS[DEPLOYMENT]], **counts))

    async def run(self, seconds: float = 0.0) -> Next:
        """Reconcile after some seconds; `log` has the requests of this reconcile alone."""
        self.clock.now += seconds
        self.api.requests.clear()
        return await self.reconciler.reconcile(KEY)

    async def settle(self) -> None:
        """Create the children, and let their rollout end well."""
        await self.run()
        self.roll_out()
        await self.run()
        assert summary(self.status)["Ready"] == ("True", "Running")

    @property
    def log(self) -> list[str]:
        """The requests of the last reconcile."""
        return self.api.log

    @property
    def status(self) -> Manifest:
        """The status as the API server has it."""
        return cast("Manifest", self.api.objects.get(APP_URL, {}).get("status") or {})

    @property
    def reasons(self) -> list[str]:
        """The reasons of all events."""
        return [event["reason"] for event in self.events]


@pytest.fixture
def world() -> World:
    """A new app whose image is a digest."""
    world = World()
    world.edit()
    return world


def _refuse(world: World, error: Exception, *log: str) -> None:
    def refuse(request: Request) -> None:
        if str(request) in log:
            raise error

    world.api.refuse = refuse


def _entry(ref: ObjectRef) -> dict[str, str]:
    return {"apiVersion": ref.api_version, "kind": ref.kind, "name": ref.name}


async def test_an_app_that_is_as_it_should_be_costs_no_request(world: World) -> None:
    """Most reconciles end here: what lives is what would be written."""
    await world.settle()
    assert await world.run() == Next()
    assert world.log == []
    assert world.status["resources"] == [_entry(SERVICE_ACCOUNT), _entry(DEPLOYMENT)]


async def test_the_first_status_is_written_in_the_next_turn(world: World) -> None:
    """By then the app may be Ready, and one patch is enough."""
    assert await world.run() == Next(after=0.0)
    assert world.log == ["apply ServiceAccount", "apply ControllerRevision", "apply Deployment"]
    await world.run()
    assert world.log == [STATUS]


async def test_the_first_status_is_written_at_once_where_a_write_fails(world: World) -> None:
    """There is something to mend."""
    refused = Blocked("Forbidden", "A quota is used up.")
    _refuse(world, refused, "apply Deployment")
    assert await world.run() == Next(error=refused)
    assert world.log == ["apply ServiceAccount", "apply ControllerRevision", "apply Deployment", STATUS]
    assert summary(world.status)["Stalled"] == ("True", "Forbidden")


async def test_the_first_status_is_written_at_once_where_the_image_is_not_known(world: World) -> None:
    """There is no Deployment to wait for, but something to mend."""
    world.digests.lookup.return_value = Failed(error=MISSING)
    world.edit({"image": "shop:1.0"})
    assert await world.run() == Next(error=MISSING, awaits_answer=True)
    assert world.log == ["apply ServiceAccount", STATUS]
    assert summary(world.status)["Ready"] == ("False", "ImageNotFound")


async def test_the_status_of_an_edit_is_written_with_it(world: World) -> None:
    """The one that stands says Ready of the former generation."""
    await world.settle()
    world.edit({"replicas": 2}, generation=2)
    await world.run()
    assert world.log == ["apply PodDisruptionBudget", "apply Deployment", STATUS]
    assert world.status["observedGeneration"] == 2
    assert summary(world.status)["Ready"] == ("False", "RollingOut")


async def test_the_status_of_a_new_digest_is_written_with_it(world: World) -> None:
    """A refresh was asked for: the generation is the same, and the tag too."""
    world.digests.lookup.return_value = Resolved(digest=DIGEST, resolved_at=0.0)
    world.edit({"image": "shop:1.0"})
    await world.settle()
    world.digests.lookup.return_value = Resolved(digest=NEW_DIGEST, resolved_at=1.0)
    world.edit({"image": "shop:1.0"}, annotations={"containerapp.dev/refresh-image": "1"})
    await world.run()
    assert world.log == ["apply ControllerRevision", "apply Deployment", STATUS]
    assert world.status["image"]["digest"] == NEW_DIGEST


async def test_a_child_that_was_deleted_is_created_again_without_a_question(world: World) -> None:
    """One write, and the status where it changes."""
    await world.settle()
    world.remove(SERVICE_ACCOUNT)
    assert await world.run() == Next()
    assert world.log == ["apply ServiceAccount"]


async def test_a_write_that_fails_is_tried_again(world: World) -> None:
    """What the API server says goes into the status, where that can be written."""
    await world.settle()
    world.remove(DEPLOYMENT)
    _refuse(world, AWAY, "apply Deployment", STATUS)
    assert (await world.run()).error is AWAY
    _refuse(world, AWAY, "apply Deployment")
    assert (await world.run()).error is AWAY
    assert summary(world.status)["Reconciling"] == ("True", "ApiServerUnavailable")


async def test_a_refusal_that_lasts_is_written_once(world: World) -> None:
    """Each try costs one request."""
    await world.settle()
    world.remove(DEPLOYMENT)
    refused = Blocked("Forbidden", "A quota is used up.")
    _refuse(world, refused, "apply Deployment")
    assert await world.run() == Next(error=refused)
    assert world.log == ["apply Deployment", STATUS]
    assert await world.run(30.0) == Next(error=refused)
    assert world.log == ["apply Deployment"]
    assert world.reasons.count("Forbidden") == 1


async def test_a_spec_that_cannot_be_read_changes_nothing_but_the_status(world: World) -> None:
    """Only an edit helps; the Pods run on."""
    await world.settle()
    world.edit({"replicas": "many"}, generation=2)
    following = await world.run()
    assert isinstance(following.error, InvalidSpec)
    assert world.log == [STATUS]
    assert summary(world.status)["Stalled"][0] == "True"
    assert world.status["resources"] == [_entry(SERVICE_ACCOUNT), _entry(DEPLOYMENT)]
    await world.run()
    assert world.log == []


async def test_an_override_that_cannot_be_laid_over_a_child_changes_nothing_but_the_status(
    world: World,
) -> None:
    """It shows when the child is rendered."""
    await world.settle()
    world.edit({"overrides": [{"kind": "Deployment", "patch": {"spec": {"selector": None}}}]}, generation=2)
    following = await world.run()
    assert isinstance(following.error, InvalidSpec)
    assert world.log == [STATUS]
    assert summary(world.status)["Stalled"] == ("True", "InvalidOverride")


async def test_an_override_that_the_api_server_refuses_changes_nothing_but_the_status(world: World) -> None:
    """It is found before the first write."""
    await world.settle()
    _refuse(world, Blocked("Rejected", "No such field."), "rehearse Deployment")
    patch = {"spec": {"minReadySeconds": "x"}}
    world.edit({"replicas": 3, "overrides": [{"kind": "Deployment", "patch": patch}]}, generation=2)
    await world.run()
    assert world.log == ["rehearse Deployment", STATUS]
    assert summary(world.status)["Stalled"] == ("True", "OverrideRefused")


async def test_an_object_that_is_being_deleted_is_left_to_the_collector(world: World) -> None:
    """Children that vanish with it are not created again."""
    world.edit(deletionTimestamp="2026-01-01T00:00:00Z")
    assert await world.run() == Next()
    assert world.log == []


async def test_a_namespace_that_is_being_deleted_is_no_error(world: World) -> None:
    """Everything in it will go; no retry."""
    _refuse(world, NamespaceTerminating("NamespaceTerminating", "It ends."), "apply ServiceAccount")
    assert await world.run() == Next()
    assert world.log == ["apply ServiceAccount"]


async def test_an_answer_that_comes_soon_is_waited_for(world: World) -> None:
    """Nothing is written before; afterwards the status says what is waited for."""
    world.digests.lookup.return_value = Pending()
    world.edit({"image": "shop:1.0"})
    assert await world.run() == Next(after=1.0)
    assert world.log == []
    await world.run(1.0)
    assert world.log == ["apply ServiceAccount"]
    await world.run()
    assert world.log == [STATUS]
    assert summary(world.status)["Ready"] == ("Unknown", "ResolvingImage")
    world.digests.lookup.return_value = Resolved(digest=DIGEST, resolved_at=0.0)
    await world.run()
    assert world.log == ["apply ControllerRevision", "apply Deployment", STATUS]


async def test_a_status_that_shows_an_error_stays_while_the_registry_is_asked_again(world: World) -> None:
    """It would else alternate between the error and the question."""
    world.digests.lookup.return_value = Failed(error=MISSING)
    world.edit({"image": "shop:1.0"})
    await world.run()
    world.digests.lookup.return_value = Pending()
    assert await world.run(100.0) == Next(after=1.0)
    assert world.log == []


async def test_what_a_former_object_of_the_name_asked_for_is_forgotten(world: World) -> None:
    """Once for each new object, and when there is none."""
    world.digests.lookup.return_value = Resolved(digest=DIGEST, resolved_at=0.0)
    world.edit({"image": "shop:1.0"})
    await world.run()
    await world.run()
    assert world.digests.forget.mock_calls.count(call(KEY)) == 1
    world.lose()
    await world.run()
    assert world.digests.forget.mock_calls.count(call(KEY)) == 2


async def test_an_object_that_is_changed_back_continuously_is_rate_limited(world: World) -> None:
    """After four updates, one each 20 seconds; the status and one event say so, and name who changes it."""
    await world.settle()
    await world.run(100.0)
    managers = [{"manager": "argocd-controller", "time": "2026-01-01T00:00:00Z"}]
    limited, patched = [], []
    for _ in range(8):
        deployment = world.api.objects[URLS[DEPLOYMENT]]
        metadata = {**deployment["metadata"], "managedFields": managers}
        world.show(DEPLOYMENT, metadata=metadata, spec={**deployment["spec"], "replicas": 7})
        following = await world.run(1.0)
        limited.append(isinstance(following.error, Transient) and following.error.reason == "RateLimited")
        patched.append(STATUS in world.log)
    assert limited == [False] * 4 + [True] * 4
    assert patched == [True, False, False, False] * 2, "RollingOut, then RateLimited"
    assert summary(world.status)["Ready"] == ("False", "RateLimited")
    assert summary(world.status)["Reconciling"] == ("True", "RateLimited")
    assert "argocd-controller" in conditions(world.status)["Ready"]["message"]
    assert world.reasons.count("RateLimited") == 1
    assert isinstance(following.error, Transient)
    assert following.error.retry_after == pytest.approx(20.0 - 7.0)
    assert (await world.run(14.0)).error is None
    assert world.log == ["apply Deployment", STATUS]
    assert summary(world.status)["Ready"] == ("False", "RollingOut")


async def test_children_that_are_deleted_continuously_are_rate_limited(world: World) -> None:
    """As updates are: Pods that live for a second are of no use."""
    await world.settle()
    await world.run(100.0)
    created = 0
    for _ in range(120):
        if URLS[DEPLOYMENT] in world.api.objects:
            world.remove(DEPLOYMENT)
        following = await world.run(0.5)
        created += world.log.count("apply Deployment")
        assert "get deployments" not in world.log, "a child that is gone has no managers"
    assert 4 <= created <= 7
    assert isinstance(following.error, Transient)
    assert following.error.reason == "RateLimited"


async def test_children_that_are_deleted_before_the_first_status_are_rate_limited(world: World) -> None:
    """A policy of the cluster deletes them as soon as they are created: the status has to say so."""
    for _ in range(10):
        await world.run(0.5)
        for ref in (SERVICE_ACCOUNT, DEPLOYMENT):
            if URLS[ref] in world.api.objects:
                world.remove(ref)
    assert summary(world.status)["Ready"] == ("False", "RateLimited")


async def test_what_is_no_longer_wanted_is_deleted_after_the_rollout(world: World) -> None:
    """Pods of the old version may still need it."""
    world.edit({"port": 8080})
    await world.settle()
    world.edit({"serviceAccountName": "other", "port": 8080}, generation=2)
    await world.run()
    assert world.log == ["apply ControllerRevision", "apply Deployment", STATUS]
    world.roll_out(available=0)
    await world.run()
    assert "delete serviceaccounts" not in world.log
    world.roll_out()
    await world.run()
    assert world.log == ["delete serviceaccounts", STATUS]
    assert world.status["resources"] == [_entry(SERVICE), _entry(DEPLOYMENT)]


async def test_the_account_that_the_user_names_is_not_deleted(world: World) -> None:
    """It may be the very one that was created for the app before."""
    await world.settle()
    world.edit({"serviceAccountName": NAME}, generation=2)
    await world.run()
    world.roll_out()
    await world.run()
    assert URLS[SERVICE_ACCOUNT] in world.api.objects


async def test_nothing_is_deleted_while_the_image_is_not_known(world: World) -> None:
    """Not all that is wanted can be rendered."""
    await world.settle()
    world.digests.lookup.return_value = Failed(error=MISSING)
    world.edit({"image": "shop:1.0", "serviceAccountName": "other"}, generation=2)
    await world.run()
    assert world.log == [STATUS]


async def test_a_child_without_labels_is_found_by_the_inventory(world: World) -> None:
    """The watches do not show it; it is deleted when it is no longer wanted."""
    await world.settle()
    account = world.api.objects[URLS[SERVICE_ACCOUNT]]
    world.remove(SERVICE_ACCOUNT)
    world.api.store(URLS[SERVICE_ACCOUNT], {**account, "metadata": {**account["metadata"], "labels": {}}})
    world.edit({"serviceAccountName": "other"}, generation=2)
    await world.run()
    world.roll_out()
    await world.run()
    assert URLS[SERVICE_ACCOUNT] not in world.api.objects
    assert world.status["resources"] == [_entry(DEPLOYMENT)]


@pytest.mark.parametrize("spec", [{}, {"image": "shop:1.0"}], ids=["rollout", "no image"])
async def test_a_child_without_labels_stays_in_the_inventory_until_it_can_be_deleted(
    world: World, spec: dict[str, Any]
) -> None:
    """A status that drops it would lose it for good."""
    await world.settle()
    world.remove(SERVICE_ACCOUNT)
    world.digests.lookup.return_value = Failed(error=MISSING)
    world.edit({"serviceAccountName": "other", **spec}, generation=2)
    await world.run()
    assert _entry(SERVICE_ACCOUNT) in world.status["resources"]


def _orphaned(world: World) -> None:
    """Let a former object of the name have left its Service."""
    child = live_children(an_app({"image": IMAGE, "port": 8080}, uid=OTHER_UID))[SERVICE]
    world.stores.of(child).put(world.api.store(URLS[SERVICE], child))


async def test_an_orphan_of_a_former_object_of_the_name_is_deleted(world: World) -> None:
    """Once the API server has said that the object is the one that is known."""
    _orphaned(world)
    await world.run()
    assert world.log[:2] == ["get containerapps", "delete services"]
    assert URLS[SERVICE] not in world.api.objects


async def test_an_orphan_is_kept_while_the_object_is_not_the_newest(world: World) -> None:
    """The known one may be the former object itself; the answer is used in the next turn."""
    _orphaned(world)
    spec = {"image": IMAGE, "port": 9090}
    edited = world.api.store(APP_URL, app_manifest(spec, generation=2))
    assert isinstance((await world.run()).error, Transient)
    assert world.log == ["get containerapps"]
    assert world.stores.object(KEY) == edited
    await world.run()
    assert "delete services" in world.log


async def test_nothing_is_written_for_an_object_that_is_gone(world: World) -> None:
    """An orphan has caused the question; the watch is late."""
    _orphaned(world)
    del world.api.objects[APP_URL]
    following = await world.run()
    assert world.log == ["get containerapps"]
    assert world.stores.object(KEY) is None
    assert isinstance(following.error, Transient)


async def test_a_status_names_the_version_of_the_object_that_it_is_about(world: World) -> None:
    """The API server compares no uid where a status is written: a former object's would be the new one's."""
    await world.run()
    version = world.api.objects[APP_URL]["metadata"]["resourceVersion"]
    await world.run()
    (request,) = world.api.requests
    assert request.body["metadata"] == {"name": NAME, "namespace": KEY.namespace, "resourceVersion": version}


async def test_the_status_of_an_object_that_is_gone_is_written_nowhere(world: World) -> None:
    """The next turn collects what it has left."""
    await world.run()
    del world.api.objects[APP_URL]
    assert await world.run() == Next(after=0.0)
    assert world.log == [STATUS, "get containerapps"]
    assert world.stores.object(KEY) is None


@pytest.mark.parametrize("away", [False, True])
async def test_a_status_that_was_not_found_although_the_object_lives_is_tried_again(
    world: World, *, away: bool
) -> None:
    """The API server did not serve the definition for a moment, or it is away by now."""
    await world.run()
    missing = NotFound("NotFound", "There is no such path.")

    def refuse(request: Request) -> None:
        if request.verb == "apply":
            raise missing
        if away:
            raise AWAY

    world.api.refuse = refuse
    assert (await world.run()).error is (AWAY if away else missing)
    assert world.stores.object(KEY) is not None


async def test_a_status_that_is_too_late_costs_no_question(world: World) -> None:
    """The watch shows what the object has become."""
    await world.run()
    world.api.store(APP_URL, app_manifest({"image": IMAGE, "replicas": 2}, generation=2))
    following = await world.run()
    assert isinstance(following.error, Transient)
    assert world.log == [STATUS]


async def test_counts_are_written_seldom_while_a_rollout_goes_on(world: World) -> None:
    """As long as it has lasted, between 2 and 15 seconds; the last one is not lost."""
    world.edit({"replicas": 20})
    await world.run()
    await world.run()
    patched = []
    for second in range(60):
        if second < 19:
            world.roll_out(total=20, updated=20, available=second)
        following = await world.run(1.0)
        if STATUS in world.log:
            patched.append(second)
        else:
            assert following.after is not None
    assert patched[0] <= 2
    assert len(patched) <= 6
    assert world.status["readyReplicas"] == 18


async def test_the_end_of_a_rollout_is_written_at_once(world: World) -> None:
    """It is what is waited for; the event says it too, once."""
    await world.run()
    await world.run()
    world.roll_out(available=0)
    await world.run(0.1)
    world.roll_out()
    await world.run(0.1)
    assert world.log == [STATUS]
    assert world.reasons == ["RolledOut"]
    world.roll_out(available=0)
    await world.run(0.1)
    assert world.log == [STATUS], "that no Pod is available is urgent, too"
    world.roll_out()
    await world.run(0.1)
    assert world.reasons == ["RolledOut"], "a Pod that is replaced is no new rollout"


@pytest.mark.parametrize(
    ("after", "sooner"),
    [
        (Next(error=AWAY, awaits_answer=True), Next(error=AWAY, awaits_answer=True, after=3.0)),
        (Next(error=AWAY), Next(error=AWAY)),
        (Next(after=2.0), Next(after=2.0)),
        (Next(after=4.0), Next(after=3.0)),
        (Next(), Next(after=3.0)),
    ],
    ids=["an answer is awaited", "a retry follows", "earlier anyway", "later", "never"],
)
def test_progress_that_was_put_off_is_written_later(after: Next, sooner: Next) -> None:
    """The registry says the same again, which is no news: no event would bring the object back."""
    assert _sooner(after, 3.0) == sooner


async def test_what_a_deleted_object_leaves_is_deleted_when_the_collector_has_missed_it(world: World) -> None:
    """It has a minute; then the API server is asked whether the object is really gone."""
    world.edit({"port": 8080})
    await world.run()
    world.lose()
    assert await world.run() == Next(after=60.0)
    assert await world.run(59.0) == Next(after=1.0)
    assert world.log == []
    assert await world.run(1.0) == Next(after=60.0)
    assert world.log == [
        "get containerapps",
        "delete controllerrevisions",
        "delete deployments",
        "delete services",
        "delete serviceaccounts",
    ]
    for child in list(world.stores.children(KEY).values()):
        world.stores.of(child).drop({**child, "metadata": {**child["metadata"], "resourceVersion": "999"}})
    assert await world.run(60.0) == Next(gone=True)


@pytest.mark.parametrize("answer", ["alive", "away"])
async def test_children_of_an_object_that_may_live_are_not_deleted(world: World, answer: str) -> None:
    """The store has missed it, or the API server does not say."""
    await world.run()
    app = world.api.objects[APP_URL]
    world.lose()
    await world.run()
    if answer == "alive":
        world.api.store(APP_URL, app)
    else:
        _refuse(world, AWAY, "get containerapps")
    following = await world.run(60.0)
    assert following == (Next(after=0.0) if answer == "alive" else Next(error=AWAY))
    assert world.log == ["get containerapps"]


async def test_what_a_user_keeps_of_a_deleted_object_is_left_alone(world: World) -> None:
    """Without an owner reference it is no garbage."""
    await world.run()
    for ref in (SERVICE_ACCOUNT, REVISION, DEPLOYMENT):
        world.show(ref, metadata={**world.api.objects[URLS[ref]]["metadata"], "ownerReferences": []})
    world.lose()
    assert await world.run() == Next(gone=True)
    assert world.log == []


WAITING = {
    "metadata": {"name": "shop-1", "creationTimestamp": "2026-01-01T00:00:00Z"},
    "status": {
        "containerStatuses": [
            {"name": "app", "ready": False, "state": {"waiting": {"reason": "ImagePullBackOff"}}}
        ]
    },
}


async def _rolling(world: World, **counts: int) -> None:
    """Begin a rollout, and let it last for a minute."""
    await world.run()
    world.roll_out(**counts)
    await world.run()
    world.api.lists[PODS_URL] = [WAITING]
    await world.run(60.0)


@pytest.mark.parametrize(
    ("counts", "asked"),
    [
        ({"total": 1, "updated": 1, "available": 0}, True),
        ({"total": 1, "updated": 0, "available": 0}, False),
        ({"total": 1, "updated": 1, "available": 0, "observed": 0}, False),
    ],
    ids=["new Pods exist", "there is none yet", "the Deployment controller has not observed it"],
)
async def test_pods_are_asked_what_they_wait_for_once_there_are_any(
    world: World, counts: dict[str, int], *, asked: bool
) -> None:
    """Where hundreds of objects roll out at once most wait for Kubernetes' controllers, which Pods do not know."""
    await _rolling(world, **counts)
    questions = world.api.find("get")
    assert [request.url for request in questions] == [PODS_URL] * asked
    if asked:
        assert questions[0].options["labelSelector"].startswith("containerapp.dev/app=shop,")


async def test_pods_are_asked_at_growing_intervals(world: World) -> None:
    """A quarter of the time that the rollout has taken, and two minutes at the longest."""

    def examine(pods: list[Manifest]) -> Finding:
        return Finding(sentence=f"{len(pods)} Pods cannot pull the image.")

    def listing(view: View) -> Listing | None:
        asked = CONTAINER_APP.listing(view)
        return asked and replace(asked, examine=examine)

    world.controller = replace(CONTAINER_APP, listing=listing)
    world.reconciler.controllers = {KEY.kind: world.controller}
    await _rolling(world, available=0)
    assert "1 Pods cannot pull the image." in conditions(world.status)["Ready"]["message"]
    asked = []
    for second in range(0, 1000, 5):
        following = await world.run(5.0)
        assert following.after is not None
        if world.api.find("get"):
            asked.append(second + 5)
    assert asked == [15, 35, 60, 90, 130, 180, 240, 315, 410, 530, 650, 770, 890]
    assert "1 Pods cannot pull the image." in conditions(world.status)["Ready"]["message"]


async def test_pods_that_cannot_be_listed_cost_their_explanation_alone(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """The rollout goes on."""

    def refuse(request: Request) -> None:
        if request.url == PODS_URL:
            raise AWAY

    world.api.refuse = refuse
    await _rolling(world, available=0)
    assert summary(world.status)["Ready"] == ("False", "RollingOut")
    assert "Cannot list the Pods" in caplog.text


OPTIONAL = Resource(
    api_version="keda.sh/v1alpha1",
    kind="ScaledObject",
    plural="scaledobjects",
    optional=True,
    install="Install KEDA.",
)


def _scaled(app: Any, _inputs: Any) -> Iterator[Manifest]:
    if app.spec.replicas == 1:
        return
    owner = live_children(app)[SERVICE_ACCOUNT]["metadata"]["ownerReferences"]
    metadata = {"name": NAME, "namespace": KEY.namespace, "ownerReferences": owner}
    yield {"apiVersion": OPTIONAL.api_version, "kind": OPTIONAL.kind, "metadata": metadata, "spec": {}}


@pytest.fixture
def optional() -> World:
    """An app of a controller that owns an optional kind, too."""
    child = Child(
        resource=OPTIONAL, render=_scaled, condition="Autoscaled", purpose="The app is not autoscaled."
    )
    world = World(controller=replace(CONTAINER_APP, owns=(*OWNS, child)))
    world.edit({"replicas": 2})
    return world


async def test_an_optional_kind_is_written_when_its_definition_is_installed(optional: World) -> None:
    """Its absence is a condition, and the rest of the app runs."""
    optional.stores.absent.add(OPTIONAL)
    await optional.run()
    assert optional.log == [
        "apply ServiceAccount",
        "apply ControllerRevision",
        "apply PodDisruptionBudget",
        "apply Deployment",
    ]
    await optional.run()
    assert summary(optional.status)["Autoscaled"] == ("False", "KindNotInstalled")
    assert "Install KEDA." in conditions(optional.status)["Autoscaled"]["message"]
    optional.stores.absent.clear()
    await optional.run()
    assert optional.log == ["apply ScaledObject", STATUS]
    assert summary(optional.status)["Autoscaled"] == ("True", "Applied")
    assert optional.status["resources"][-1] == _entry(OPTIONAL.ref(NAME))


async def test_an_optional_kind_that_is_not_wanted_has_no_condition(optional: World) -> None:
    """Most apps do without."""
    optional.edit({"replicas": 1})
    optional.stores.absent.add(OPTIONAL)
    await optional.run()
    await optional.run()
    assert "Autoscaled" not in summary(optional.status)


async def test_entries_of_the_inventory_of_an_unknown_kind_are_ignored(world: World) -> None:
    """A newer release has owned it."""
    await world.settle()
    unknown = {"apiVersion": "batch/v1", "kind": "CronJob", "name": NAME}
    world.edit(status={**world.status, "resources": [*world.status["resources"], unknown]})
    await world.run()
    assert [request for request in world.log if request != STATUS] == []


async def test_keys_are_reconciled_by_the_controller_of_their_kind(world: World) -> None:
    """An object of the same name and another kind is another key."""
    with pytest.raises(KeyError):
        await world.reconciler.reconcile(Key("Other", KEY.namespace, KEY.name))
