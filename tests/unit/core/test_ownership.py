"""Whose an object is, and which of ours nobody wants any more: `containerapp.core.ownership`."""

from __future__ import annotations

import pytest

from containerapp.api.containerapp import API_VERSION, KIND
from containerapp.core.model import Manifest
from containerapp.core.ownership import deleting, owned_by, owned_by_predecessor, stale_children
from tests.builders import DEPLOYMENT, NAME, OTHER_UID, SERVICE, SERVICE_ACCOUNT, UID, an_app, live_children

OURS = {"apiVersion": API_VERSION, "kind": KIND}
WEB = an_app({"port": 8080})


def _owned(*owners: Manifest) -> Manifest:
    return {"metadata": {"name": NAME, "ownerReferences": list(owners)}}


@pytest.mark.parametrize(
    ("manifest", "ours", "predecessors"),
    [
        (_owned(OURS | {"name": NAME, "uid": UID}), True, False),
        (_owned(OURS | {"name": NAME, "uid": OTHER_UID}), False, True),
        (_owned(OURS | {"name": "another", "uid": OTHER_UID}), False, False),
        (_owned({"kind": "Team", "name": NAME, "uid": OTHER_UID}), False, False),
        (_owned(OURS | {"apiVersion": "app.azure.com/v1", "name": NAME, "uid": OTHER_UID}), False, False),
        (_owned({"kind": "Team", "name": "t", "uid": OTHER_UID}, OURS | {"uid": UID}), True, False),
        (_owned(), False, False),
        ({"metadata": {"name": NAME, "ownerReferences": None}}, False, False),
        ({"metadata": {"name": NAME}}, False, False),
    ],
)
def test_tells_by_the_owner_reference_whose_an_object_is(
    manifest: Manifest, *, ours: bool, predecessors: bool
) -> None:
    """Never by name alone: an app that was deleted and made again has another uid."""
    assert owned_by(manifest, UID) is ours
    assert owned_by_predecessor(manifest, NAME, UID) is predecessors


def test_an_object_with_a_deletion_timestamp_is_being_deleted() -> None:
    """A finalizer may keep it for long; it is lost all the same."""
    assert deleting({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}})
    assert not deleting({"metadata": {}})


def test_names_what_is_owned_and_no_longer_wanted_in_a_stable_order() -> None:
    """The order is that of the references, whatever order the cache has."""
    live = list(live_children(WEB).values())
    assert stale_children(live=reversed(live), desired=[], uid=UID) == (DEPLOYMENT, SERVICE, SERVICE_ACCOUNT)
    assert stale_children(live=live, desired=live, uid=UID) == ()


def test_never_names_what_is_not_ours_or_is_going_already() -> None:
    """Another's object is not ours to delete, and a second deletion tells the API server nothing new."""
    live = live_children(WEB)
    live[SERVICE]["metadata"]["ownerReferences"][0]["uid"] = OTHER_UID
    live[DEPLOYMENT]["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert stale_children(live=live.values(), desired=[], uid=UID) == (SERVICE_ACCOUNT,)
