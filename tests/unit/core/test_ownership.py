"""Whose an object is, and what a deleted owner has left: `containerapp.core.ownership`."""

from __future__ import annotations

import pytest

from containerapp.api.schema import API_VERSION
from containerapp.controllers import CONTROLLERS
from containerapp.core.model import RETAINED_ANNOTATION, Key, Manifest
from containerapp.core.ownership import Owners, deleting, orphans, owned_by, owned_by_predecessor, retained
from tests.builders import DEPLOYMENT, KEY, KIND, NAME, OTHER_UID, SERVICE, UID, an_app, live_children

OURS = {"apiVersion": API_VERSION, "kind": KIND}
OWNERS = Owners(labels={"example.com/app": KIND, "example.com/job": "CronApp"})


def _owned(*owners: Manifest, **labels: str) -> Manifest:
    named = {label.replace("_", "example.com/"): value for label, value in labels.items()}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": NAME,
            "namespace": "default",
            "ownerReferences": list(owners),
            "labels": named,
        },
    }


@pytest.mark.parametrize(
    ("manifest", "ours", "predecessors"),
    [
        (_owned(OURS | {"name": NAME, "uid": UID}), True, False),
        (_owned(OURS | {"name": NAME, "uid": OTHER_UID}), False, True),
        (_owned(OURS | {"name": "another", "uid": OTHER_UID}), False, False),
        (_owned(OURS | {"kind": "CronApp", "name": NAME, "uid": OTHER_UID}), False, False),
        (_owned({"kind": KIND, "name": NAME, "uid": OTHER_UID}), False, False),
        (_owned(OURS | {"apiVersion": "app.azure.com/v1", "name": NAME, "uid": OTHER_UID}), False, False),
        (_owned({"kind": "Team", "name": "t", "uid": OTHER_UID}, OURS | {"uid": UID}), True, False),
        (_owned(), False, False),
        ({"metadata": {"name": NAME, "ownerReferences": None}}, False, False),
        ({"metadata": {"name": NAME}}, False, False),
    ],
)
def test_the_owner_reference_says_whose_an_object_is(
    manifest: Manifest, *, ours: bool, predecessors: bool
) -> None:
    """Never the name alone: an app that was deleted and created again has another uid."""
    assert owned_by(manifest, UID) is ours
    assert owned_by_predecessor(manifest, KEY, UID) is predecessors


def test_every_owner_of_the_name_is_a_predecessor_of_an_object_that_is_gone() -> None:
    """The object was deleted, so whatever bore its name does not live any more."""
    assert owned_by_predecessor(_owned(OURS | {"name": NAME, "uid": UID}), KEY, None)


@pytest.mark.parametrize(
    ("child", "key"),
    [
        (_owned(OURS | {"name": "shop"}), Key(KIND, "default", "shop")),
        (_owned(OURS | {"kind": "CronApp", "name": "nightly"}), Key("CronApp", "default", "nightly")),
        (_owned({"kind": "Team", "name": "t"}, OURS | {"name": "shop"}), Key(KIND, "default", "shop")),
        (_owned(OURS | {"name": "shop"}, _app="other"), Key(KIND, "default", "shop")),
        (_owned(_app="shop"), Key(KIND, "default", "shop")),
        (_owned(_job="nightly"), Key("CronApp", "default", "nightly")),
        (_owned({"apiVersion": "v1", "kind": KIND, "name": "x"}, _app="shop"), Key(KIND, "default", "shop")),
        (_owned(OURS | {"kind": "Unknown", "name": "x"}), None),
        (_owned(_app=""), None),
        (_owned(), None),
        ({"metadata": {"name": "x", "namespace": "default"}}, None),
        ({"metadata": {"name": "x", "namespace": "default", "ownerReferences": None, "labels": None}}, None),
    ],
)
def test_finds_the_owner_by_its_reference_and_else_by_the_label(child: Manifest, key: Key | None) -> None:
    """A child that lost its reference is still a reason to look at the object that its label names."""
    assert OWNERS.key(child) == key


def test_each_controllers_children_lead_to_its_kind() -> None:
    """Both ways: what is rendered has the reference and the label."""
    owners = Owners.of(CONTROLLERS)
    for child in live_children(an_app({"port": 80})).values():
        assert owners.key(child) == KEY
        del child["metadata"]["ownerReferences"]
        assert owners.key(child) == KEY


def test_an_object_with_a_deletion_timestamp_is_being_deleted() -> None:
    """A finalizer may keep it for long; it is lost all the same."""
    assert deleting({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}})
    assert not deleting({"metadata": {}})


def test_orphans_are_what_the_predecessor_alone_has_left() -> None:
    """In a stable order; not what is being deleted, and not what has another owner besides."""
    live = live_children(an_app({"port": 80}, uid=OTHER_UID))
    values = list(live.values())
    assert orphans(live=reversed(values), key=KEY, uid=UID) == tuple(sorted(live))
    assert orphans(live=values, key=KEY, uid=OTHER_UID) == ()
    live[SERVICE]["metadata"]["ownerReferences"].append({"kind": "Team", "name": "t", "uid": "team"})
    live[DEPLOYMENT]["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert [ref.kind for ref in orphans(live=values, key=KEY, uid=UID)] == [
        "ControllerRevision",
        "ServiceAccount",
    ]


@pytest.mark.parametrize(
    ("owners", "value", "kept"),
    [
        ((), "true", True),
        ((), "false", False),
        ((), None, False),
        (({"kind": "Team", "name": "t", "uid": OTHER_UID},), "true", True),
        (({"kind": "Team", "name": "t", "uid": OTHER_UID, "controller": True},), "true", False),
    ],
)
def test_a_retained_object_belongs_to_the_one_that_its_label_names(
    owners: tuple[Manifest, ...], value: str | None, *, kept: bool
) -> None:
    """Whatever its uid; but not where another controller has taken it."""
    manifest = _owned(*owners)
    manifest["metadata"]["annotations"] = {RETAINED_ANNOTATION: value} if value else None
    assert retained(manifest) is kept
    assert owned_by(manifest, UID) is kept
