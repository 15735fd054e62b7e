"""What the watches have seen, and what a late answer must not undo: `containerapp.kube.store`."""

from __future__ import annotations

from typing import Any

import pytest

from containerapp.api.containerapp import API_VERSION
from containerapp.controllers.containerapp.children import deployment
from containerapp.core.model import APP_LABEL, AppKey, Manifest, ObjectRef
from containerapp.kube.store import Cache, Listed, app_key, without_managed_fields
from tests.builders import DEPLOYMENT, KEY, NAME, NAMESPACE, OTHER_UID, SERVICE, UID, app_manifest

OTHER_KEY = ("elsewhere", NAME)
OWNER = {"apiVersion": API_VERSION, "kind": "ContainerApp"}
KIND = {"Service": "v1", "Deployment": "apps/v1"}


def _child(
    version: int, kind: str = "Deployment", *, namespace: str = NAMESPACE, name: str = NAME
) -> Manifest:
    return {
        "apiVersion": KIND[kind],
        "kind": kind,
        "metadata": {
            "name": name,
            "namespace": namespace,
            "resourceVersion": str(version),
            "ownerReferences": [OWNER | {"name": name, "uid": UID}],
        },
    }


def _version(cache: Cache, ref: ObjectRef = DEPLOYMENT) -> str | None:
    child = cache.children(KEY).get(ref)
    return child["metadata"]["resourceVersion"] if child else None


def test_knows_nothing_of_what_it_has_not_seen() -> None:
    """To ask about an unknown app leaves no trace."""
    cache = Cache()
    assert cache.app(KEY) is None
    assert cache.children(KEY) == {}
    assert cache.app_states() == {}


def test_the_newest_version_of_an_app_wins() -> None:
    """The answer to a status patch and the watch may come in either order."""
    cache = Cache()
    assert cache.put_app(app_manifest(resourceVersion="9"))
    assert not cache.put_app(app_manifest(resourceVersion="9"))
    assert not cache.put_app(app_manifest(resourceVersion="8"))
    assert cache.put_app(app_manifest(resourceVersion="10"))
    stored = cache.app(KEY)
    assert stored is not None
    assert stored["metadata"]["resourceVersion"] == "10"
    assert cache.app_states() == {KEY: "progressing"}


@pytest.mark.parametrize(("uid", "dropped"), [(None, True), (UID, True), (OTHER_UID, False)])
def test_drops_an_app_but_not_its_successor(uid: str | None, *, dropped: bool) -> None:
    """The late news of an app's end must not hide the one that was made anew under its name."""
    cache = Cache()
    cache.put_app(app_manifest())
    assert cache.drop_app(KEY, uid) is dropped
    assert (cache.app(KEY) is None) is dropped
    assert (cache.app_states() == {}) is dropped


def test_dropping_an_app_that_is_not_there_is_no_news() -> None:
    """The watch tells of an end that our own write has met before."""
    assert not Cache().drop_app(KEY, UID)


def test_a_late_answer_does_not_bring_a_deleted_app_back() -> None:
    """Its status was written, then it was deleted; its successor is another one."""
    cache = Cache()
    cache.put_app(app_manifest(resourceVersion="9"))
    cache.drop_app(KEY, UID, ended_at=10)
    assert not cache.put_app(app_manifest(resourceVersion="10"))
    assert cache.put_app(app_manifest(resourceVersion="11", uid=OTHER_UID))


def test_an_app_that_was_not_found_once_may_be_found_again() -> None:
    """The API server said so while it did not serve the definition; nobody has told of an end."""
    cache = Cache()
    cache.put_app(app_manifest(resourceVersion="9"))
    assert cache.drop_app(KEY, UID)
    assert cache.put_app(app_manifest(resourceVersion="9"))


def test_the_newest_version_of_a_child_wins() -> None:
    """The answer to a write goes into the cache at once; the watch repeats it later."""
    cache = Cache()
    assert cache.put_child(_child(9)) == {KEY}
    assert cache.put_child(_child(9)) == set()
    assert cache.put_child(_child(8)) == set()
    assert cache.put_child(_child(10)) == {KEY}
    assert _version(cache) == "10"


def test_a_late_answer_does_not_raise_the_dead() -> None:
    """A child was written, then deleted by somebody; the answer to the write arrives last."""
    cache = Cache()
    cache.put_child(_child(9))
    assert cache.drop_child(_child(12)) == {KEY}
    assert cache.put_child(_child(11)) == set()
    assert cache.put_child(_child(12)) == set()
    assert cache.children(KEY) == {}
    assert cache.put_child(_child(13)) == {KEY}


def test_a_late_deletion_does_not_end_the_successor() -> None:
    """The child was made again before the news of its end arrived."""
    cache = Cache()
    cache.put_child(_child(9))
    assert cache.drop_child(_child(8)) == set()
    assert _version(cache) == "9"


def test_the_end_of_an_unknown_child_is_no_news_but_remembered() -> None:
    """The answer to the write that made it may still be on its way."""
    cache = Cache()
    assert cache.drop_child(_child(12)) == set()
    assert cache.put_child(_child(11)) == set()


def test_an_apps_last_child_leaves_no_empty_entry_behind() -> None:
    """Thousands of apps come and go in the life of an operator."""
    cache = Cache()
    cache.put_child(_child(1))
    cache.put_child(_child(2, "Service"))
    cache.drop_child(_child(3))
    assert list(cache.children(KEY)) == [SERVICE]
    cache.drop_child(_child(4, "Service"))
    assert len(cache._children) == 0


def _labelled(version: int, app: str | None) -> Manifest:
    """Return a child of nobody's, as somebody has labelled it."""
    child = _child(version)
    del child["metadata"]["ownerReferences"]
    return {**child, "metadata": {**child["metadata"], "labels": {APP_LABEL: app} if app else {}}}


def test_a_child_that_is_labelled_as_anothers_changes_hands() -> None:
    """It stands in nobody's way any more where it stood, and its end is the other's affair."""
    cache = Cache()
    cache.put_child(_labelled(5, NAME))
    assert cache.put_child(_labelled(4, "other")) == set()
    assert cache.put_child(_labelled(6, "other")) == {KEY, (NAMESPACE, "other")}
    assert cache.children(KEY) == {}
    assert cache.put_child(_labelled(7, NAME)) == {KEY, (NAMESPACE, "other")}
    assert cache.drop_child(_labelled(8, "other")) == {KEY}
    assert len(cache._children) == len(cache._strays) == 0


def test_a_child_that_loses_owner_and_name_is_its_apps_no_more() -> None:
    """Nor may what it was stand there for ever: its end would be nobody's news."""
    cache = Cache()
    cache.put_child(_child(5))
    assert cache.put_child(_labelled(6, None)) == {KEY}
    assert cache.children(KEY) == {}
    assert cache.put_child(_labelled(7, None)) == set()
    assert cache.drop_child(_labelled(8, None)) == set()


def test_forgets_the_ends_of_long_ago() -> None:
    """Late answers are seconds late, not hours; an app that ended twice counts by its last end."""
    now = 0.0
    cache = Cache(clock=lambda: now)
    for number, name in enumerate(["a", "b", "a", "c"], start=10):
        cache.drop_child(_child(number, name=name))
        now += 61.0
    assert cache.put_child(_child(10, name="b"))
    assert cache.put_child(_child(10, name="a")) == set()
    assert cache.put_child(_child(10, name="c")) == set()


def _relist(
    cache: Cache, items: list[Manifest], namespace: str | None = None, version: int = 8
) -> set[AppKey]:
    listed = Listed(cache)
    for page in (items[:1], items[1:]):
        listed.add(page, version)
    return cache.replace_children(deployment.CHILD.resource, namespace, listed)


def test_a_list_takes_no_memory_for_what_is_known_already() -> None:
    """After a restart of the API server every kind is listed anew, all at once."""
    cache = Cache()
    cache.put_child(_child(5, name="same"))
    cache.put_child(_child(5, name="changed"))
    first, second = Listed(cache), Listed(cache)
    for listed in (first, second):
        listed.add([_child(5, name="same"), _child(6, name="changed")], 8)
    held = {key: item is second.items[key] for key, item in first.items.items()}
    assert {key[0][1]: shared for key, shared in held.items()} == {"same": True, "changed": False}


def test_a_list_does_not_lose_a_child_that_was_made_after_it() -> None:
    """The answer to our own write may be newer than the list that is just being taken."""
    cache = Cache()
    cache.put_child(_child(9))
    assert _relist(cache, []) == set()
    assert _version(cache) == "9"


def test_an_answer_older_than_a_list_without_the_child_brings_no_ghost() -> None:
    """The child was deleted again while no watch could tell."""
    cache = Cache()
    _relist(cache, [])
    assert cache.put_child(_child(8)) == set()
    assert cache.put_child(_child(9)) == {KEY}


def test_a_fresh_list_tells_which_apps_it_changes() -> None:
    """New, changed and vanished children are news; those that are as they were are none."""
    cache = Cache()
    for name in ("same", "changed", "gone"):
        cache.put_child(_child(5, name=name))
    cache.put_child(_child(5, "Service", name="gone"))
    listed = [_child(5, name="same"), _child(6, name="changed"), _child(7, name="new")]
    keys = _relist(cache, listed)
    assert keys == {(NAMESPACE, name) for name in ("changed", "gone", "new")}
    assert [ref.kind for ref in cache.children((NAMESPACE, "gone"))] == ["Service"]
    assert _relist(cache, listed) == set()


def test_a_list_of_one_namespace_says_nothing_of_another() -> None:
    """An operator that serves some namespaces lists each by itself."""
    cache = Cache()
    cache.put_child(_child(5))
    cache.put_child(_child(5, namespace="elsewhere"))
    assert _relist(cache, [], NAMESPACE) == {KEY}
    assert list(cache.children(OTHER_KEY)) == [DEPLOYMENT]


def test_a_list_that_is_older_than_our_own_write_does_not_undo_it() -> None:
    """The answer to the write came while the list was on its way."""
    cache = Cache()
    cache.put_child(_child(9))
    assert _relist(cache, [_child(8)]) == set()
    assert _version(cache) == "9"


@pytest.mark.parametrize(
    ("metadata", "key"),
    [
        ({"ownerReferences": [{"kind": "Team", "name": "t"}, OWNER | {"name": "a"}]}, "a"),
        ({"ownerReferences": [OWNER | {"name": "a"}], "labels": {APP_LABEL: "b"}}, "a"),
        ({"ownerReferences": [{"kind": "Team", "name": "t"}], "labels": {APP_LABEL: "b"}}, "b"),
        ({"ownerReferences": None, "labels": {APP_LABEL: "b"}}, "b"),
        ({"labels": None}, None),
        ({}, None),
    ],
)
def test_the_owner_reference_tells_the_app_then_the_label(metadata: dict[str, Any], key: str | None) -> None:
    """A foreign object under an app's name stands in its way, and so is shown to it."""
    child = {"metadata": {"namespace": NAMESPACE, **metadata}}
    assert app_key(child) == ((NAMESPACE, key) if key else None)


def test_an_object_of_no_app_is_not_kept() -> None:
    """The watch's selector lets through whatever carries the managed-by label."""
    cache, stray = Cache(), _child(5)
    del stray["metadata"]["ownerReferences"]
    assert cache.put_child(stray) == set()
    assert cache.drop_child(stray) == set()
    assert _relist(cache, [stray]) == set()
    assert len(cache._children) == 0


def test_drops_managed_fields_where_there_are_any() -> None:
    """They are half of an object's size."""
    assert without_managed_fields({"metadata": {"name": "x", "managedFields": []}}) == {
        "metadata": {"name": "x"}
    }
    assert without_managed_fields({"metadata": {"name": "x"}}) == {"metadata": {"name": "x"}}
