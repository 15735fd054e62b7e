"""Which writes a reconcile needs, and above all which it does not: `containerapp.core.plan`."""

from __future__ import annotations

from typing import Any

import pytest

from containerapp.core.model import HASH_ANNOTATION, Manifest, ObjectRef, Prune
from containerapp.core.plan import Owner, Plan, make_plan
from tests.builders import (
    DEPLOYMENT,
    KEY,
    OTHER_UID,
    REVISION,
    SERVICE,
    SERVICE_ACCOUNT,
    UID,
    an_app,
    desired_children,
    live_children,
)

WEB = an_app({"port": 8080})
WORKER = an_app()
CHILDREN = (SERVICE_ACCOUNT, SERVICE, REVISION, DEPLOYMENT)


def _plan(live: dict[ObjectRef, Manifest], *, adopts: bool = False, **given: Any) -> Plan:
    fields = {"desired": desired_children(WEB), "prune": lambda _: Prune.AFTER_ROLLOUT, **given}
    return make_plan(live=live, owner=Owner(key=KEY, uid=UID, adopts=adopts), **fields)


def _worker_plan(live: dict[ObjectRef, Manifest], prune: Prune = Prune.AFTER_ROLLOUT, **given: Any) -> Plan:
    return _plan(live, desired=desired_children(WORKER), prune=lambda _: prune, **given)


def _worker_with_a_service() -> dict[ObjectRef, Manifest]:
    return live_children(WORKER) | {SERVICE: live_children(WEB)[SERVICE]}


def _refs(manifests: tuple[Manifest, ...]) -> list[ObjectRef]:
    return [ObjectRef.of(manifest) for manifest in manifests]


def test_creates_every_child_in_the_order_of_the_controller() -> None:
    """The account must be there before a Pod names it, the Service before its variables are wanted."""
    plan = _plan({})
    assert plan == Plan(live={}, creates=tuple(desired_children(WEB)))
    assert tuple(_refs(plan.creates)) == CHILDREN
    assert not plan.empty


def test_writes_nothing_when_everything_lives_as_wanted() -> None:
    """A resync or a restart of the operator costs no request."""
    live = live_children(WEB)
    assert _plan(live, inventory=CHILDREN) == Plan(live=live)
    assert _plan(live).empty


@pytest.mark.parametrize("ref", [SERVICE_ACCOUNT, SERVICE, DEPLOYMENT], ids=str)
def test_updates_the_child_that_differs_alone(ref: ObjectRef) -> None:
    """One child's drift is one write, with the whole manifest."""
    live = live_children(WEB)
    live[ref]["metadata"]["annotations"][HASH_ANNOTATION] = "0000"
    plan = _plan(live)
    assert plan == Plan(live=live, updates=plan.updates)
    assert plan.updates == tuple(each for each in desired_children(WEB) if ObjectRef.of(each) == ref)
    assert not plan.empty


def test_repairs_the_ports_of_the_service() -> None:
    """They are a list that Kubernetes merges by key."""
    live = live_children(WEB)
    live[SERVICE]["spec"]["ports"][0]["targetPort"] = 80
    assert _refs(_plan(live).updates) == [SERVICE]


def test_refuses_an_object_that_has_no_owner() -> None:
    """A Service that was made by hand under the app's name is not overwritten."""
    live = live_children(WEB)
    live[SERVICE]["metadata"]["ownerReferences"] = []
    plan = _plan(live)
    assert plan == Plan(live=live, conflicts=(SERVICE,))
    assert plan.empty


def test_refuses_an_object_that_another_owner_has() -> None:
    """It is not overwritten for its name's sake, nor deleted."""
    live = live_children(WEB)
    live[SERVICE]["metadata"]["ownerReferences"] = [{"kind": "Team", "name": "t", "uid": OTHER_UID}]
    assert _plan(live) == Plan(live=live, conflicts=(SERVICE,))
    assert _worker_plan({SERVICE: live[SERVICE]}).prune_last == ()


def test_adopts_an_object_when_the_user_says_so() -> None:
    """What is right already needs the owner reference only."""
    live = live_children(WEB)
    del live[SERVICE]["metadata"]["ownerReferences"]
    plan = _plan(live, adopts=True)
    assert _refs(plan.updates) == [SERVICE]
    assert plan.conflicts == ()


@pytest.mark.parametrize("adopts", [False, True])
def test_deletes_what_an_earlier_app_of_the_same_name_has_left(*, adopts: bool) -> None:
    """It is garbage, collected or not; to write over it would bind the new app to what is deleted soon."""
    live = live_children(an_app({"port": 8080}, uid=OTHER_UID))
    plan = _plan(live, adopts=adopts)
    assert plan == Plan(live=live, terminating=CHILDREN, orphans=tuple(sorted(CHILDREN)))
    assert not plan.empty


@pytest.mark.parametrize("complete", [True, False])
def test_deletes_what_an_earlier_app_wanted_and_this_one_does_not(*, complete: bool) -> None:
    """Whether or not the image of the new app is known yet: it was never the new app's."""
    live = {SERVICE: live_children(an_app({"port": 8080}, uid=OTHER_UID))[SERVICE]}
    assert _worker_plan(live, held=None if complete else lambda _: True).orphans == (SERVICE,)


def test_leaves_what_an_earlier_app_shared_with_another_owner() -> None:
    """The garbage collector only takes the earlier app's reference off it."""
    live = live_children(an_app({"port": 8080}, uid=OTHER_UID))
    live[SERVICE]["metadata"]["ownerReferences"].append({"kind": "Team", "name": "t", "uid": "team"})
    plan = _plan(live)
    assert plan.orphans == (REVISION, DEPLOYMENT, SERVICE_ACCOUNT)
    assert plan.terminating == CHILDREN


def test_leaves_what_an_earlier_app_has_left_and_is_being_deleted() -> None:
    """A second deletion changes nothing."""
    live = live_children(an_app({"port": 8080}, uid=OTHER_UID))
    live[SERVICE]["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert _plan(live).orphans == (REVISION, DEPLOYMENT, SERVICE_ACCOUNT)


def test_waits_for_a_child_that_is_being_deleted() -> None:
    """A write to it would be lost; it is created again once it is gone."""
    live = live_children(WEB)
    live[DEPLOYMENT]["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    plan = _plan(live)
    assert plan == Plan(live=live, terminating=(DEPLOYMENT,))
    assert plan.empty


@pytest.mark.parametrize(
    ("prune", "first", "last"),
    [
        (Prune.NOW, (SERVICE,), ()),
        (Prune.AFTER_ROLLOUT, (), (SERVICE,)),
        (Prune.NEVER, (), ()),
    ],
)
def test_prunes_what_is_no_longer_wanted_when_its_kind_says(
    prune: Prune, first: tuple[ObjectRef, ...], last: tuple[ObjectRef, ...]
) -> None:
    """An app that has become a worker loses its Service, and keeps what a field has asked for once."""
    live = _worker_with_a_service()
    plan = _worker_plan(live, prune)
    assert plan == Plan(live=live, prune_first=first, prune_last=last)
    assert plan.empty is (prune is Prune.NEVER)


def test_prunes_in_a_stable_order() -> None:
    """The order is that of the references, whatever order the store has."""
    live = dict(reversed(live_children(WEB).items()))
    assert _plan(live, desired=[]).prune_last == (REVISION, DEPLOYMENT, SERVICE, SERVICE_ACCOUNT)


def test_never_prunes_what_is_not_ours_or_is_being_deleted() -> None:
    """Another's object is not ours to delete, and a second deletion changes nothing."""
    live = live_children(WEB)
    live[SERVICE]["metadata"]["ownerReferences"][0] |= {"uid": OTHER_UID, "name": "another"}
    live[DEPLOYMENT]["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert _plan(live, desired=[]) == Plan(live=live, prune_last=(REVISION, SERVICE_ACCOUNT))


def test_an_incomplete_plan_changes_and_deletes_nothing_that_lives() -> None:
    """An unknown digest hides the Deployment from what is wanted; that must not cost the running Pods anything."""
    live = live_children(WEB)
    del live[SERVICE_ACCOUNT]
    live[SERVICE]["spec"]["ports"][0]["targetPort"] = 80
    wanted = [each for each in desired_children(WEB) if each["kind"] != "Deployment"]
    gone = ObjectRef(api_version="v1", kind="Service", name="gone")
    plan = _plan(live, desired=wanted, inventory=[DEPLOYMENT, gone], held=lambda _: True)
    assert plan == Plan(live=live, creates=(wanted[0],), unseen=(gone,))


def test_an_incomplete_plan_still_updates_what_the_rest_waits_for() -> None:
    """A wrong store in an ExternalSecret could never be corrected otherwise: the Deployment waits for its Secret."""
    live = live_children(WEB)
    live[SERVICE]["spec"]["ports"][0]["targetPort"] = 80
    live[DEPLOYMENT]["spec"]["replicas"] = 9
    plan = _plan(live, held=lambda ref: ref.kind != "Service")
    assert _refs(plan.updates) == [SERVICE]


@pytest.mark.parametrize(("prune", "unseen"), [(Prune.AFTER_ROLLOUT, (SERVICE,)), (Prune.NEVER, ())])
def test_looks_for_what_the_inventory_names_and_the_watches_do_not_show(
    prune: Prune, unseen: tuple[ObjectRef, ...]
) -> None:
    """Its labels may have been removed, and with them the watch's knowledge of it; what is wanted is created."""
    live = live_children(WORKER)
    del live[DEPLOYMENT]
    plan = _worker_plan(live, prune, inventory=CHILDREN)
    assert plan.unseen == unseen
    assert _refs(plan.creates) == [DEPLOYMENT]


def test_a_plan_that_only_looks_for_a_child_is_not_empty() -> None:
    """The look is a request."""
    assert not _worker_plan(live_children(WORKER), inventory=CHILDREN).empty


CLAIM = ObjectRef(api_version="v1", kind="PersistentVolumeClaim", name="shop-data")
STATEFUL = an_app({"volumes": [{"name": "data", "mountPath": "/data", "claim": {}}]})


def test_a_retained_child_is_kept_when_it_is_no_longer_wanted() -> None:
    """Its data outlives the field that asked for it."""
    live = live_children(STATEFUL)
    plan = _plan(live, desired=desired_children(an_app()), inventory=[*live])
    assert (plan.prune_first, plan.prune_last, plan.unseen) == ((), (), ())


def test_a_retained_child_is_taken_again_by_the_next_object_of_the_name() -> None:
    """Without a write: nothing in it says for which of them it was made."""
    claim = live_children(STATEFUL)[CLAIM]
    plan = _plan({CLAIM: claim}, desired=desired_children(STATEFUL))
    assert CLAIM not in [*_refs(plan.creates), *_refs(plan.updates), *plan.conflicts]


@pytest.mark.parametrize(("before", "after"), [(True, False), (False, True)])
def test_whether_a_child_is_retained_may_change(*, before: bool, after: bool) -> None:
    """One update, which sets or removes the owner."""

    def app(*, retain: bool) -> Any:
        volume = {"name": "data", "mountPath": "/data", "claim": {"retain": retain}}
        return an_app({"volumes": [volume]})

    plan = _plan(live_children(app(retain=before)), desired=desired_children(app(retain=after)))
    (claim,) = [each for each in plan.updates if ObjectRef.of(each) == CLAIM]
    assert ("ownerReferences" in claim["metadata"]) is not after


def test_a_child_that_is_not_retained_goes_with_the_field() -> None:
    """As every other child."""
    volume = {"name": "data", "mountPath": "/data", "claim": {"retain": False}}
    live = live_children(an_app({"volumes": [volume]}))
    assert _plan(live, desired=desired_children(an_app())).prune_last == (CLAIM,)
