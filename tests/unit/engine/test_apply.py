"""How a plan is carried out: `containerapp.engine.apply`, with an API server that stores what it is sent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, cast
from unittest.mock import Mock

import pytest

from containerapp.controllers import CONTROLLERS
from containerapp.controllers.containerapp.controller import CONTAINER_APP, OWNS
from containerapp.core.diff import repair
from containerapp.core.model import (
    APP_LABEL,
    INITIAL_REPLICAS_ANNOTATION,
    Child,
    Manifest,
    ObjectRef,
    Resource,
    is_built_in,
)
from containerapp.core.plan import Owner, Plan
from containerapp.engine.apply import Applier
from containerapp.errors import Blocked, Transient
from containerapp.kube.client import Client, Conflict, Invalid, NamespaceTerminating, NotFound
from containerapp.kube.store import Stores
from tests.builders import (
    DEPLOYMENT,
    KEY,
    NAMESPACE,
    OTHER_UID,
    REVISION,
    SERVICE,
    SERVICE_ACCOUNT,
    UID,
    an_app,
    as_stored,
    live_children,
)
from tests.builders import desired_children as desired
from tests.expectations import of_kind
from tests.unit.engine.fake_api import FakeApi, Request

APP = an_app({"port": 8080})
OWNER = Owner(key=KEY, uid=UID)
ADOPTING = Owner(key=KEY, uid=UID, adopts=True)
URLS = {
    SERVICE_ACCOUNT: "/api/v1/namespaces/default/serviceaccounts/shop",
    SERVICE: "/api/v1/namespaces/default/services/shop",
    REVISION: "/apis/apps/v1/namespaces/default/controllerrevisions/shop-1",
    DEPLOYMENT: "/apis/apps/v1/namespaces/default/deployments/shop",
}
DEPLOYMENT_URL = URLS[DEPLOYMENT]


@pytest.fixture
def api() -> FakeApi:
    """An API server without objects."""
    return FakeApi()


@pytest.fixture
def stores() -> Stores:
    """The stores of a replica that has seen nothing yet."""
    return Stores(CONTROLLERS)


@pytest.fixture
def applier(api: FakeApi, stores: Stores) -> Applier:
    """An applier in front of both."""
    return Applier(client=cast("Client", api), stores=stores, adopted=Mock())


@pytest.fixture
def live(api: FakeApi, stores: Stores) -> dict[ObjectRef, Manifest]:
    """The children of the app, as they live on the API server and are known."""
    children = {ref: api.store(URLS[ref], child) for ref, child in live_children(APP).items()}
    for child in children.values():
        stores.of(child).put(child)
    return children


def _always() -> bool:
    return True


def _never() -> bool:
    return False


def _deployment() -> Manifest:
    return of_kind(desired(APP), "Deployment")


def _autoscaled(initial: int = 3) -> Manifest:
    """Return a Deployment that leaves its replicas to an autoscaler."""
    manifest = _deployment()
    metadata = manifest["metadata"]
    annotations = {**metadata["annotations"], INITIAL_REPLICAS_ANNOTATION: str(initial)}
    spec = {key: value for key, value in manifest["spec"].items() if key != "replicas"}
    return {**manifest, "metadata": {**metadata, "annotations": annotations}, "spec": spec}


def _refusing(error: Exception, *log: str) -> Callable[[Request], None]:
    """Return a refusal of the requests of this verb and kind."""

    def refuse(request: Request) -> None:
        if str(request) in log:
            raise error

    return refuse


def _owned_by(manifest: Manifest, *uids: str) -> Manifest:
    (reference,) = manifest["metadata"]["ownerReferences"]
    owners = [{**reference, "uid": uid} for uid in uids]
    return {**manifest, "metadata": {**manifest["metadata"], "ownerReferences": owners}}


def _replicas(request: Request) -> Any:
    return request.body["spec"].get("replicas")


async def test_what_goes_first_is_deleted_first_and_what_goes_last_is_deleted_last(
    api: FakeApi, applier: Applier, live: Mapping[ObjectRef, Manifest]
) -> None:
    """Creates and updates are between them; each answer is stored at once."""
    del api.objects[DEPLOYMENT_URL]
    applier.stores.of(DEPLOYMENT).lose(KEY.namespace, KEY.name)
    account = of_kind(desired(APP), "ServiceAccount")
    plan = Plan(
        live=live,
        prune_first=(SERVICE,),
        creates=(_deployment(),),
        updates=(account,),
        prune_last=(SERVICE_ACCOUNT,),
    )
    assert await applier.apply(OWNER, plan, may_prune=_always) is None
    assert api.log == [
        "delete services",
        "apply Deployment",
        "apply ServiceAccount",
        "delete serviceaccounts",
    ]
    assert api.find("delete")[0].options == {"uid": "uid-of-Service"}
    assert list(applier.stores.children(KEY)) == [REVISION, DEPLOYMENT]


async def test_what_goes_last_stays_while_the_rollout_goes_on(
    api: FakeApi, applier: Applier, live: Mapping[ObjectRef, Manifest]
) -> None:
    """Pods of the old version may still need it."""
    plan = Plan(live=live, prune_last=(SERVICE,), unseen=(SERVICE_ACCOUNT,))
    assert await applier.apply(OWNER, plan, may_prune=_never) is None
    assert api.log == []


async def test_what_goes_last_stays_while_a_write_fails(
    api: FakeApi, applier: Applier, live: Mapping[ObjectRef, Manifest]
) -> None:
    """The other writes are tried nevertheless; the first error is returned."""
    refused = Blocked("Forbidden", "A quota is used up.")
    api.refuse = _refusing(refused, "apply ServiceAccount")
    plan = Plan(live=live, updates=tuple(desired(APP)), prune_last=(SERVICE,), conflicts=())
    assert await applier.apply(OWNER, plan, may_prune=_always) is refused
    assert api.log == [
        "apply ServiceAccount",
        "apply Service",
        "patch controllerrevisions",
        "apply Deployment",
    ]


async def test_the_first_error_is_that_of_a_name_that_is_taken(
    api: FakeApi, applier: Applier, live: Mapping[ObjectRef, Manifest]
) -> None:
    """All that does not depend on it is written."""
    api.refuse = _refusing(Transient("ApiServerUnavailable", "It is away."), "apply Deployment")
    plan = Plan(live=live, updates=(_deployment(),), conflicts=(SERVICE_ACCOUNT, SERVICE))
    error = await applier.apply(OWNER, plan, may_prune=_always)
    assert isinstance(error, Blocked)
    assert (error.reason, "spec.serviceAccountName to shop" in error.message) == ("NameTaken", True)
    assert api.log == ["apply Deployment"]


async def test_a_namespace_that_is_being_deleted_ends_everything_at_once(
    api: FakeApi, applier: Applier
) -> None:
    """Each further write would be refused, too."""
    api.refuse = _refusing(NamespaceTerminating("NamespaceTerminating", "It ends."), "apply ServiceAccount")
    with pytest.raises(NamespaceTerminating):
        await applier.apply(OWNER, Plan(live={}, creates=tuple(desired(APP))), may_prune=_always)
    assert api.log == ["apply ServiceAccount"]


async def test_an_object_that_is_gone_already_is_as_good_as_deleted(
    api: FakeApi, applier: Applier, live: Mapping[ObjectRef, Manifest]
) -> None:
    """The event of its deletion may come later."""
    del api.objects[URLS[SERVICE]]
    plan = Plan(live=live, prune_last=(SERVICE,))
    assert await applier.apply(OWNER, plan, may_prune=_always) is None
    assert SERVICE not in applier.stores.children(KEY)


@pytest.mark.parametrize(
    ("stored", "deleted"),
    [
        ({}, True),
        ({"deletionTimestamp": "2026-01-01T00:00:00Z"}, False),
        ({"ownerReferences": []}, False),
        (None, False),
    ],
    ids=["owned", "being deleted", "of no owner", "gone"],
)
async def test_a_child_that_has_lost_its_labels_is_deleted_when_it_is_not_wanted(
    api: FakeApi, applier: Applier, stored: Manifest | None, *, deleted: bool
) -> None:
    """The watches do not show it; the API server says whether it is still there and whose it is."""
    account = of_kind(live_children(APP).values(), "ServiceAccount")
    if stored is not None:
        api.store(
            URLS[SERVICE_ACCOUNT], {**account, "metadata": {**account["metadata"], "labels": {}, **stored}}
        )
    plan = Plan(live={}, unseen=(SERVICE_ACCOUNT,))
    assert await applier.apply(OWNER, plan, may_prune=_always) is None
    assert api.log == ["get serviceaccounts", *["delete serviceaccounts"] * deleted]


@pytest.mark.parametrize("meanwhile", ["nothing", "changed", "deleted"])
async def test_an_orphan_is_deleted_as_it_was_seen(api: FakeApi, applier: Applier, meanwhile: str) -> None:
    """A change meanwhile wins: its owner may have been removed in order to keep it."""
    orphan = api.store(DEPLOYMENT_URL, _owned_by(live_children(APP)[DEPLOYMENT], OTHER_UID))
    if meanwhile == "changed":
        api.store(DEPLOYMENT_URL, orphan)
    if meanwhile == "deleted":
        del api.objects[DEPLOYMENT_URL]
    plan = Plan(live={DEPLOYMENT: orphan}, orphans=(DEPLOYMENT,))
    assert await applier.apply(OWNER, plan, may_prune=_always) is None
    (request,) = api.find("delete")
    assert request.options == {
        "uid": "uid-of-Deployment",
        "resourceVersion": orphan["metadata"]["resourceVersion"],
    }
    assert (DEPLOYMENT_URL in api.objects) is (meanwhile == "changed")


async def test_a_child_is_created_once_and_stored(api: FakeApi, applier: Applier) -> None:
    """The write can create an object, and change none."""
    plan = Plan(live={}, creates=tuple(desired(APP)))
    assert await applier.apply(OWNER, plan, may_prune=_always) is None
    assert {request.body["metadata"]["resourceVersion"] for request in api.requests} == {"1"}
    assert set(applier.stores.children(KEY)) == set(URLS)


async def test_a_child_that_was_not_seen_yet_is_written_over(
    api: FakeApi, applier: Applier, live: Mapping[ObjectRef, Manifest]
) -> None:
    """The watch of the children is late; the object is the owner's own."""
    plan = Plan(live={}, creates=(_deployment(),))
    assert await applier.apply(OWNER, plan, may_prune=_always) is None
    assert api.log == ["apply Deployment", "get deployments", "apply Deployment"]
    assert api.requests[-1].body["metadata"]["uid"] == live[DEPLOYMENT]["metadata"]["uid"]


@pytest.mark.parametrize("adopts", [False, True])
async def test_an_object_of_another_owner_that_was_not_seen_is_adopted_by_annotation_alone(
    api: FakeApi, applier: Applier, *, adopts: bool
) -> None:
    """It has no label by which the watches would show it."""
    found = live_children(APP)[DEPLOYMENT]
    api.store(DEPLOYMENT_URL, {**found, "metadata": {**found["metadata"], "ownerReferences": []}})
    plan = Plan(live={}, creates=(_deployment(),))
    error = await applier.apply(ADOPTING if adopts else OWNER, plan, may_prune=_always)
    assert (error.reason if error else None) == (None if adopts else "NameTaken")
    assert len(api.find("apply")) == (2 if adopts else 1)


@pytest.mark.parametrize(("label", "reason"), [("shop", None), ("another", "NameTaken"), (None, "NameTaken")])
async def test_a_retained_object_that_was_not_seen_is_the_owners_if_its_label_says_so(
    api: FakeApi, applier: Applier, label: str | None, reason: str | None
) -> None:
    """The claim `b-c` of the app `a` has the name of the claim `c` of the app `a-b`."""
    app = an_app({"volumes": [{"name": "data", "mountPath": "/data", "claim": {}}]})
    ref = ObjectRef(api_version="v1", kind="PersistentVolumeClaim", name="shop-data")
    found = live_children(app)[ref]
    labels = {**found["metadata"]["labels"], APP_LABEL: label} if label else {}
    url = f"/api/v1/namespaces/{NAMESPACE}/persistentvolumeclaims/shop-data"
    api.store(url, {**found, "metadata": {**found["metadata"], "labels": labels}})
    (claim,) = [each for each in desired(app) if ObjectRef.of(each) == ref]

    error = await applier.apply(OWNER, Plan(live={}, creates=(claim,)), may_prune=_always)
    assert (error.reason if error else None) == reason


async def test_a_retained_object_without_labels_is_not_deleted(api: FakeApi, applier: Applier) -> None:
    """The inventory names it; its data must outlive whatever happens to its labels."""
    app = an_app({"volumes": [{"name": "data", "mountPath": "/data", "claim": {}}]})
    ref = ObjectRef(api_version="v1", kind="PersistentVolumeClaim", name="shop-data")
    api.store(f"/api/v1/namespaces/{NAMESPACE}/persistentvolumeclaims/shop-data", live_children(app)[ref])
    assert await applier.apply(OWNER, Plan(live={}, unseen=(ref,)), may_prune=_always) is None
    assert api.find("delete") == []


@pytest.mark.parametrize("former", ["orphan", "shared", "being deleted"])
async def test_a_child_of_a_former_object_of_the_name_is_waited_for(
    api: FakeApi, applier: Applier, former: str
) -> None:
    """What no other object owns is deleted; what is shared or being deleted already is not touched."""
    child = live_children(APP)[DEPLOYMENT]
    if former == "being deleted":
        child["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    else:
        child = _owned_by(child, OTHER_UID, *(["third"] if former == "shared" else []))
    api.store(DEPLOYMENT_URL, child)
    error = await applier.apply(OWNER, Plan(live={}, creates=(_deployment(),)), may_prune=_always)
    assert isinstance(error, Transient)
    assert error.reason == "PredecessorTerminating"
    assert len(api.find("delete")) == (1 if former == "orphan" else 0)
    assert len(api.find("apply")) == 1


@pytest.mark.parametrize(
    ("reason", "said"),
    [("Rejected", "OverrideRefused"), ("Forbidden", None)],
)
async def test_what_is_overridden_is_checked_before_it_is_written(
    api: FakeApi, applier: Applier, live: Mapping[ObjectRef, Manifest], reason: str, said: str | None
) -> None:
    """Of these kinds alone; a missing right is for the write itself to report."""

    def refuse(request: Request) -> None:
        if request.verb == "rehearse":
            raise Blocked(reason, "The API server's words.")

    api.refuse = refuse
    plan = Plan(live=live, updates=(live[SERVICE], _deployment()))
    error = await applier.rehearse(OWNER, plan, frozenset({"Deployment"}))
    assert api.log == ["rehearse Deployment"]
    assert (error and error.reason) == said
    if error is not None:
        assert "Deployment shop" in error.message
        assert "The API server's words." in error.message


async def test_a_rehearsal_without_objection_finds_nothing(
    api: FakeApi, applier: Applier, live: Mapping[ObjectRef, Manifest]
) -> None:
    """Creates are checked, too."""
    plan = Plan(live=live, creates=(_deployment(),))
    assert await applier.rehearse(OWNER, plan, frozenset({"Deployment"})) is None
    assert api.log == ["rehearse Deployment"]


async def test_an_admission_webhook_that_changes_a_field_is_not_fought(
    api: FakeApi, applier: Applier, live: Mapping[ObjectRef, Manifest]
) -> None:
    """The message says what was changed and what to do; what is stored is known."""
    api.change = lambda stored: {**stored, "spec": {**stored["spec"], "replicas": 7}}
    plan = Plan(live=live, updates=(_deployment(),))
    error = await applier.apply(OWNER, plan, may_prune=_always)
    assert isinstance(error, Blocked)
    assert error.reason == "FieldContested"
    assert "Deployment shop was stored with another spec.replicas than written" in error.message
    assert applier.stores.children(KEY)[DEPLOYMENT]["spec"]["replicas"] == 7


async def test_fields_of_others_that_make_an_apply_invalid_are_repaired(
    api: FakeApi, applier: Applier, live: dict[ObjectRef, Manifest]
) -> None:
    """A Service has a port of another manager with the name of ours: the patch changes that alone."""
    service = live[SERVICE]
    ports = [{**service["spec"]["ports"][0], "port": 81}]
    live[SERVICE] = api.store(URLS[SERVICE], {**service, "spec": {**service["spec"], "ports": ports}})
    invalid = Invalid("Rejected", "Two ports have one name.")

    def refuse(request: Request) -> None:
        if request.verb == "apply" and len(api.requests) == 1:
            raise invalid

    api.refuse = refuse
    manifest = of_kind(desired(APP), "Service")
    assert await applier.apply(OWNER, Plan(live=live, updates=(manifest,)), may_prune=_always) is None
    assert api.log == ["apply Service", "patch services", "apply Service"]
    patch = api.find("patch")[0]
    assert patch.options == {"strategic": True}
    change = repair({"spec": manifest["spec"]}, {"spec": live[SERVICE]["spec"]})
    assert list(change["spec"]) == ["ports"]
    assert patch.body == {"metadata": {"uid": "uid-of-Service"}, **change}
    api.refuse = _refusing(invalid, "apply Service")
    assert await applier.apply(OWNER, Plan(live=live, updates=(manifest,)), may_prune=_always) is invalid


async def test_an_object_of_a_custom_kind_is_repaired_by_its_whole_content(api: FakeApi) -> None:
    """A JSON merge patch replaces lists, and knows no directives."""
    resource = Resource(api_version="keda.sh/v1alpha1", kind="ScaledObject", plural="scaledobjects")
    child = Child(resource=resource, render=lambda _owner, _inputs: iter(()))
    applier = Applier(
        client=cast("Client", api),
        stores=Stores([replace(CONTAINER_APP, owns=(*OWNS, child))]),
        adopted=Mock(),
    )
    ref, url = resource.ref("shop"), "/apis/keda.sh/v1alpha1/namespaces/default/scaledobjects/shop"
    manifest = {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "metadata": _deployment()["metadata"],
        "spec": {"triggers": [{"type": "cpu"}], "minReplicaCount": 2},
    }
    live = {ref: api.store(url, as_stored({**manifest, "spec": {"triggers": [], "minReplicaCount": 2}}))}
    refused = iter([Invalid("Rejected", "A rule is broken.")])

    def refuse(request: Request) -> None:
        if request.verb == "apply" and (error := next(refused, None)):
            raise error

    api.refuse = refuse
    assert await applier.apply(OWNER, Plan(live=live, updates=(manifest,)), may_prune=_always) is None
    assert api.log == ["apply ScaledObject", "patch scaledobjects", "apply ScaledObject"]
    patch = api.find("patch")[0]
    assert patch.options == {"strategic": False}
    assert patch.body == {"metadata": {"uid": "uid-of-ScaledObject"}, "spec": manifest["spec"]}


@pytest.mark.parametrize(
    ("api_version", "built_in"),
    [
        ("v1", True),
        ("apps/v1", True),
        ("autoscaling/v2", True),
        ("networking.k8s.io/v1", True),
        ("gateway.networking.k8s.io/v1", False),
        ("gateway.k8s.aws/v1beta1", False),
        ("keda.sh/v1alpha1", False),
    ],
)
def test_strategic_merge_patches_are_for_built_in_kinds(api_version: str, *, built_in: bool) -> None:
    """The API server answers 415 for kinds of a CustomResourceDefinition."""
    assert is_built_in(api_version) is built_in


async def test_a_child_for_an_autoscaler_is_created_with_its_initial_replicas(
    api: FakeApi, applier: Applier
) -> None:
    """Without a count the API server would set 1; the second write gives the field up, and keeps its value."""
    plan = Plan(live={}, creates=(_autoscaled(initial=3),))
    assert await applier.apply(OWNER, plan, may_prune=_always) is None
    assert api.log == ["apply Deployment", "share Deployment", "apply Deployment"]
    assert list(map(_replicas, api.requests)) == [3, 3, None]
    annotated = [
        INITIAL_REPLICAS_ANNOTATION in request.body["metadata"]["annotations"]
        for request in api.find("apply")
    ]
    assert annotated == [False, True]


@pytest.mark.parametrize(
    ("running", "shared", "force"),
    [(5, 5, False), (0, 3, True), (None, 1, False)],
    ids=["scaled", "suspended", "by default"],
)
async def test_an_autoscaler_takes_the_replicas_that_run(
    api: FakeApi,
    applier: Applier,
    live: dict[ObjectRef, Manifest],
    running: int | None,
    shared: int,
    *,
    force: bool,
) -> None:
    """Autoscaling is switched on, or an app is resumed: an autoscaler leaves 0 as it is, so that must not stay."""
    spec = {key: value for key, value in live[DEPLOYMENT]["spec"].items() if key != "replicas"}
    spec |= {} if running is None else {"replicas": running}
    live[DEPLOYMENT] = api.store(DEPLOYMENT_URL, {**live[DEPLOYMENT], "spec": spec})
    plan = Plan(live=live, updates=(_autoscaled(initial=3),))
    assert await applier.apply(OWNER, plan, may_prune=_always) is None
    assert api.log == ["share Deployment", "apply Deployment"]
    request = api.find("share")[0]
    assert request.body["spec"] == {"replicas": shared}
    assert request.body["metadata"] == {"name": "shop", "uid": "uid-of-Deployment"}
    assert request.options == {"manager": "containerapp-operator-hand-over", "force": force}


@pytest.mark.parametrize(("lived", "running", "shared"), [("0", 0, True), ("0", 4, False), ("3", 0, False)])
async def test_an_autoscaler_that_leaves_none_alone_takes_over_from_one_that_does_not(
    api: FakeApi,
    applier: Applier,
    live: dict[ObjectRef, Manifest],
    lived: str,
    running: int,
    *,
    shared: bool,
) -> None:
    """KEDA had ended the last Pod: nothing else would start one again. A count that a person set to 0 stays."""
    found = _autoscaled(initial=int(lived))
    live[DEPLOYMENT] = api.store(
        DEPLOYMENT_URL,
        {
            **live[DEPLOYMENT],
            "metadata": {
                **live[DEPLOYMENT]["metadata"],
                "annotations": found["metadata"]["annotations"],
            },
            "spec": {**found["spec"], "replicas": running},
        },
    )
    await applier.apply(OWNER, Plan(live=live, updates=(_autoscaled(initial=3),)), may_prune=_always)
    assert api.log == [*(["share Deployment"] if shared else []), "apply Deployment"]
    assert [each.body["spec"] for each in api.find("share")] == ([{"replicas": 3}] if shared else [])


async def test_replicas_that_another_manager_owns_already_are_left_alone(
    api: FakeApi, applier: Applier, live: Mapping[ObjectRef, Manifest]
) -> None:
    """An autoscaler has changed them meanwhile: the field has an owner."""
    api.refuse = _refusing(Conflict("Conflict", "Another manager owns it."), "share Deployment")
    plan = Plan(live=live, updates=(_autoscaled(),))
    assert await applier.apply(OWNER, plan, may_prune=_always) is None
    assert api.log == ["share Deployment", "apply Deployment"]


async def test_replicas_are_handed_over_once(
    api: FakeApi, applier: Applier, live: dict[ObjectRef, Manifest]
) -> None:
    """The annotation on the object says that they are."""
    await applier.apply(OWNER, Plan(live=live, updates=(_autoscaled(),)), may_prune=_always)
    live[DEPLOYMENT] = applier.stores.children(KEY)[DEPLOYMENT]
    api.requests.clear()
    await applier.apply(OWNER, Plan(live=live, updates=(_autoscaled(),)), may_prune=_always)
    assert api.log == ["apply Deployment"]


async def test_other_field_managers_are_named_with_the_last_writer_first(
    api: FakeApi, applier: Applier, live: Mapping[ObjectRef, Manifest]
) -> None:
    """Neither the operator itself, nor what Kubernetes writes into the status."""
    entries = [
        {"manager": "containerapp-operator", "time": "2026-01-09T00:00:00Z"},
        {"manager": "containerapp-operator-hand-over", "time": "2026-01-08T00:00:00Z"},
        {"manager": "kube-controller-manager", "subresource": "status", "time": "2026-01-07T00:00:00Z"},
        {"manager": "old", "time": "2026-01-01T00:00:00Z"},
        {"manager": "kubectl-edit", "time": "2026-01-02T00:00:00Z"},
        {"manager": "old", "time": "2026-01-03T00:00:00Z"},
        {"manager": "undated"},
    ]
    found = live[DEPLOYMENT]
    api.store(DEPLOYMENT_URL, {**found, "metadata": {**found["metadata"], "managedFields": entries}})
    assert await applier.managers(KEY, DEPLOYMENT) == ["old", "kubectl-edit", "undated"]


async def test_field_managers_that_cannot_be_read_are_not_named(api: FakeApi, applier: Applier) -> None:
    """The message does without them."""
    api.refuse = _refusing(NotFound("NotFound", "There is no such Deployment."), "get deployments")
    assert await applier.managers(KEY, DEPLOYMENT) == []
