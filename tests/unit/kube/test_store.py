"""What the watches have seen, and what a late answer must not change back: `containerapp.kube.store`."""

from __future__ import annotations

import pytest

from containerapp.api.schema import API_VERSION
from containerapp.controllers import CONTROLLERS
from containerapp.controllers.containerapp.children import deployment
from containerapp.core.model import APP_LABEL, Key, Manifest
from containerapp.kube.store import Listed, Store, Stores, without_managed_fields
from tests.builders import (
    DEPLOYMENT,
    KEY,
    KIND,
    NAME,
    NAMESPACE,
    OTHER_UID,
    SERVICE,
    UID,
    Clock,
    app_manifest,
)

OTHER_KEY = Key(KIND, "elsewhere", NAME)
OWNER = {"apiVersion": API_VERSION, "kind": KIND}
API_VERSIONS = {"Service": "v1", "Deployment": "apps/v1"}


@pytest.fixture
def clock() -> Clock:
    """The clock of the stores."""
    return Clock()


@pytest.fixture
def stores(clock: Clock) -> Stores:
    """The stores of a replica that has seen nothing yet."""
    return Stores(CONTROLLERS, clock=clock)


@pytest.fixture
def store(stores: Stores) -> Store:
    """The store of the Deployments."""
    return stores.of(DEPLOYMENT)


def _key(name: str) -> Key:
    return Key(KIND, NAMESPACE, name)


def _child(
    version: int, kind: str = "Deployment", *, namespace: str = NAMESPACE, name: str = NAME
) -> Manifest:
    return {
        "apiVersion": API_VERSIONS[kind],
        "kind": kind,
        "metadata": {
            "name": name,
            "namespace": namespace,
            "resourceVersion": str(version),
            "ownerReferences": [OWNER | {"name": name, "uid": UID}],
        },
    }


def _labelled(version: int, owner: str | None) -> Manifest:
    """Return a child without an owner reference, with the label of `owner`."""
    child = _child(version)
    del child["metadata"]["ownerReferences"]
    return {**child, "metadata": {**child["metadata"], "labels": {APP_LABEL: owner} if owner else {}}}


def _version(store: Store) -> str | None:
    child = store.get(NAMESPACE, NAME)
    return child["metadata"]["resourceVersion"] if child else None


def _relist(store: Store, items: list[Manifest], namespace: str | None = None, version: int = 8) -> set[Key]:
    listed = Listed(store=store)
    for page in (items[:1], items[1:]):
        listed.add(page, version)
    return store.replace(namespace, listed)


def test_a_new_replica_knows_nothing(stores: Stores) -> None:
    """A question about an unknown object leaves no trace."""
    assert stores.object(KEY) is None
    assert stores.children(KEY) == {}
    assert stores.states() == {}
    assert list(stores.of(DEPLOYMENT).owners()) == []


def test_the_newest_version_of_a_custom_object_wins(stores: Stores) -> None:
    """The answer to a status patch and the watch may come in either order."""
    assert stores.put_object(KEY, app_manifest(resourceVersion="9"))
    assert not stores.put_object(KEY, app_manifest(resourceVersion="9"))
    assert not stores.put_object(KEY, app_manifest(resourceVersion="8"))
    assert stores.put_object(KEY, app_manifest(resourceVersion="10"))
    stored = stores.object(KEY)
    assert stored is not None
    assert stored["metadata"]["resourceVersion"] == "10"
    assert stores.states() == {KEY: "progressing"}


@pytest.mark.parametrize(("ended_at", "dropped"), [("10", True), ("9", True), ("8", False)])
def test_the_late_event_of_a_deletion_does_not_hide_the_successor(
    stores: Stores, ended_at: str, *, dropped: bool
) -> None:
    """A custom object of the same name was created after it."""
    stores.put_object(KEY, app_manifest(resourceVersion="9"))
    assert stores.drop_object(KEY, app_manifest(resourceVersion=ended_at, uid=OTHER_UID)) is dropped
    assert (stores.object(KEY) is None) is dropped
    assert (stores.states() == {}) is dropped


def test_the_deletion_of_an_unknown_custom_object_is_no_news(stores: Stores) -> None:
    """The watch reports what the answer to a write has shown before."""
    assert not stores.drop_object(KEY, app_manifest(resourceVersion="10"))


def test_a_late_answer_does_not_bring_a_deleted_custom_object_back(stores: Stores) -> None:
    """Its status was written, then it was deleted; its successor is another object."""
    stores.put_object(KEY, app_manifest(resourceVersion="9"))
    stores.drop_object(KEY, app_manifest(resourceVersion="10"))
    assert not stores.put_object(KEY, app_manifest(resourceVersion="10"))
    assert stores.put_object(KEY, app_manifest(resourceVersion="11", uid=OTHER_UID))


def test_a_custom_object_that_was_not_found_can_be_found_again(stores: Stores) -> None:
    """The API server did not serve the definition for a moment; no deletion was seen."""
    stores.put_object(KEY, app_manifest(resourceVersion="9"))
    stores.lose_object(KEY)
    assert stores.object(KEY) is None
    assert stores.states() == {}
    stores.lose_object(KEY)
    assert stores.put_object(KEY, app_manifest(resourceVersion="9"))


def test_the_newest_version_of_a_child_wins(store: Store) -> None:
    """The answer to a write is stored at once; the watch repeats it later."""
    assert store.put(_child(9)) == {KEY}
    assert store.put(_child(9)) == set()
    assert store.put(_child(8)) == set()
    assert store.put(_child(10)) == {KEY}
    assert _version(store) == "10"
    assert [child["metadata"]["resourceVersion"] for child in store.owned(KEY)] == ["10"]


def test_a_late_answer_does_not_bring_a_deleted_child_back(store: Store) -> None:
    """The answer to the write arrives after the event of the deletion."""
    store.put(_child(9))
    assert store.drop(_child(12)) == {KEY}
    assert store.put(_child(11)) == set()
    assert store.put(_child(12)) == set()
    assert _version(store) is None
    assert store.put(_child(13)) == {KEY}


def test_a_late_deletion_does_not_remove_the_successor(store: Store) -> None:
    """The child was created again before the event of its deletion arrived."""
    store.put(_child(9))
    assert store.drop(_child(8)) == set()
    assert _version(store) == "9"


def test_the_deletion_of_an_unknown_child_is_no_news_but_remembered(store: Store) -> None:
    """The answer to the write that created it may still be on its way."""
    assert store.drop(_child(12)) == set()
    assert store.put(_child(11)) == set()


def test_a_child_that_the_api_server_does_not_find_can_be_created_again(store: Store) -> None:
    """The version of its end is not known, so that any version of a new one is news."""
    store.put(_child(9))
    store.lose(NAMESPACE, NAME)
    store.lose(NAMESPACE, NAME)
    assert _version(store) is None
    assert store.put(_child(9)) == {KEY}


def test_the_last_child_of_an_owner_leaves_no_entry(stores: Stores, store: Store) -> None:
    """Thousands of owners come and go while an operator runs."""
    services = stores.of(SERVICE)
    store.put(_child(1))
    services.put(_child(2, "Service"))
    assert set(stores.children(KEY)) == {DEPLOYMENT, SERVICE}
    store.drop(_child(3))
    assert list(stores.children(KEY)) == [SERVICE]
    services.drop(_child(4, "Service"))
    assert list(store.owners()) == list(services.owners()) == []
    assert len(store) == len(services) == 0


def test_an_owner_may_have_several_children_of_one_kind(store: Store) -> None:
    """Each of them comes and goes by itself."""
    for name in ("a", "b"):
        store.put(_labelled(5, NAME) | {"metadata": _labelled(5, NAME)["metadata"] | {"name": name}})
    assert {child["metadata"]["name"] for child in store.owned(KEY)} == {"a", "b"}
    store.lose(NAMESPACE, "a")
    assert {child["metadata"]["name"] for child in store.owned(KEY)} == {"b"}


def test_a_child_with_the_label_of_another_owner_moves_there(store: Store) -> None:
    """It is in the way of its former owner no more, and its deletion is an event of the new one."""
    other = _key("other")
    store.put(_labelled(5, NAME))
    assert store.put(_labelled(4, "other")) == set()
    assert store.put(_labelled(6, "other")) == {KEY, other}
    assert list(store.owned(KEY)) == []
    assert store.put(_labelled(7, NAME)) == {KEY, other}
    assert store.drop(_labelled(8, "other")) == {KEY}
    assert list(store.owners()) == []


def test_a_child_without_owner_reference_and_label_is_dropped(store: Store) -> None:
    """Later events of it are news to no owner."""
    store.put(_child(5))
    assert store.put(_labelled(6, None)) == {KEY}
    assert _version(store) is None
    assert store.put(_labelled(7, None)) == set()
    assert store.drop(_labelled(8, None)) == set()


def test_an_object_without_an_owner_is_not_kept(store: Store) -> None:
    """The selector of the watch lets everything through that carries the managed-by label."""
    assert store.put(_labelled(5, None)) == set()
    assert store.drop(_labelled(6, None)) == set()
    assert _relist(store, [_labelled(7, None)]) == set()
    assert len(store) == 0
    assert list(store) == []


def test_deletions_of_long_ago_are_forgotten(store: Store, clock: Clock) -> None:
    """Late answers are seconds late, not hours; of two deletions the last one counts."""
    for number, name in enumerate(["a", "b", "a", "c"], start=10):
        store.drop(_child(number, name=name))
        clock.now += 61.0
    assert store.put(_child(10, name="b"))
    assert store.put(_child(10, name="a")) == set()
    assert store.put(_child(10, name="c")) == set()


def test_a_list_takes_no_memory_for_what_is_known(store: Store) -> None:
    """After a restart of the API server every kind is listed again, all at once."""
    store.put(_child(5, name="same"))
    store.put(_child(5, name="changed"))
    first, second = Listed(store=store), Listed(store=store)
    for listed in (first, second):
        listed.add([_child(5, name="same"), _child(6, name="changed")], 8)
    shared = {identity[1]: item is second.items[identity] for identity, item in first.items.items()}
    assert shared == {"same": True, "changed": False}


def test_a_list_does_not_remove_a_child_that_is_newer(store: Store) -> None:
    """The answer to a write may be newer than the list that arrives after it."""
    store.put(_child(9))
    assert _relist(store, []) == set()
    assert _version(store) == "9"


def test_an_answer_that_is_older_than_a_list_without_the_child_is_ignored(store: Store) -> None:
    """The child was deleted while the watch was broken."""
    _relist(store, [])
    assert store.put(_child(8)) == set()
    assert store.put(_child(9)) == {KEY}


def test_a_list_returns_the_owners_that_it_changes(store: Store) -> None:
    """New, changed and missing children are news; the others are not."""
    for name in ("same", "changed", "gone"):
        store.put(_child(5, name=name))
    listed = [_child(5, name="same"), _child(6, name="changed"), _child(7, name="new")]
    assert _relist(store, listed) == set(map(_key, ("changed", "gone", "new")))
    assert {child["metadata"]["name"] for child in store} == {"same", "changed", "new"}
    assert _relist(store, listed) == set()


def test_a_list_of_one_kind_says_nothing_of_another(stores: Stores, store: Store) -> None:
    """Each resource has its own store."""
    stores.of(SERVICE).put(_child(5, "Service"))
    assert _relist(store, []) == set()
    assert list(stores.children(KEY)) == [SERVICE]


def test_a_list_of_one_namespace_says_nothing_of_another(stores: Stores, store: Store) -> None:
    """An operator that serves some namespaces lists each by itself."""
    store.put(_child(5))
    store.put(_child(5, namespace="elsewhere"))
    assert _relist(store, [], NAMESPACE) == {KEY}
    assert list(stores.children(OTHER_KEY)) == [DEPLOYMENT]
    assert store.put(_child(8, name="new")) == set()
    assert store.put(_child(8, name="new", namespace="elsewhere")) == {Key(KIND, "elsewhere", "new")}


def test_a_list_that_is_older_than_a_write_does_not_change_it_back(store: Store) -> None:
    """The answer to the write came while the list was on its way."""
    store.put(_child(9))
    assert _relist(store, [_child(8)]) == set()
    assert _version(store) == "9"


def test_without_its_definition_a_kind_has_no_objects(store: Store) -> None:
    """In the namespace that was asked for; a late answer to a write does not bring one back."""
    store.put(_child(7))
    store.put(_child(9, namespace="elsewhere"))
    assert store.clear(NAMESPACE) == {KEY}
    assert store.put(_child(8)) == set()
    assert list(store.owners()) == [OTHER_KEY]
    assert store.clear(None) == {OTHER_KEY}
    assert store.clear(None) == set()
    assert len(store) == 0


def test_there_is_one_store_for_each_kind_of_child(stores: Stores) -> None:
    """Found by the manifest or by the reference; what no controller owns has none."""
    assert deployment.CHILD.resource in stores.child_stores()
    store = stores.child_stores()[deployment.CHILD.resource]
    assert stores.of(_child(1)) is stores.of(DEPLOYMENT) is store
    assert store.resource == deployment.CHILD.resource


def test_managed_fields_are_dropped() -> None:
    """They are half of an object's size."""
    assert without_managed_fields({"metadata": {"name": "x", "managedFields": []}}) == {
        "metadata": {"name": "x"}
    }
    assert without_managed_fields({"metadata": {"name": "x"}}) == {"metadata": {"name": "x"}}


def test_custom_objects_that_claim_the_same_see_each_other(stores: Stores) -> None:
    """Until one of them leaves it, or is gone: also where the store has lost it before the watch says so."""
    other = Key(KEY.kind, "default", "other")
    expose = {"expose": {"hosts": ["shop.example.com"]}}
    stores.put_object(KEY, app_manifest(expose, resourceVersion="9"))
    assert stores.claim(KEY) == set()
    stores.put_object(other, app_manifest(expose, resourceVersion="10", name="other"))
    assert stores.claim(other) == {KEY}
    assert [peer["metadata"]["name"] for peer in stores.peers(KEY)] == ["other"]
    stores.lose_object(other)
    assert stores.peers(KEY) == ()
    assert stores.claim(other) == {KEY}


def test_a_custom_object_sees_the_chain_that_it_follows(stores: Stores) -> None:
    """And is notified when one that it follows has changed, not the other way round."""
    keys = {name: Key("ContainerJob", "default", name) for name in ("load", "report")}

    def put(name: str, version: str, phase: str, *after: str) -> set[Key]:
        job = app_manifest(
            {"dependsOn": [{"job": each} for each in after]}, resourceVersion=version, name=name
        )
        stores.put_object(keys[name], {**job, "status": {"phase": phase}})
        return stores.claim(keys[name])

    assert put("load", "9", "Running") == set()
    assert put("report", "10", "Waiting", "load") == set()
    assert [peer["metadata"]["name"] for peer in stores.peers(keys["report"])] == ["load"]
    assert stores.peers(keys["load"]) == ()
    assert put("load", "11", "Succeeded") == {keys["report"]}
