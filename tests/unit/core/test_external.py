"""What to do about an object outside Kubernetes: `containerapp.core.external`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from containerapp.core.external import (
    Found,
    Owner,
    Place,
    Record,
    Step,
    Want,
    digest_of,
    next_step,
    normal_json,
    token,
)

PLACE = Place("default", "shop")
OWNER = Owner(kind="ContainerApp", namespace="default", name="shop", uid="uid-1")
WANT = Want(place=PLACE, content={"roleArn": "one"})
LISTED = Found(id="a-1", place=PLACE)
READ = replace(LISTED, content={"roleArn": "one"}, owner=OWNER)


@pytest.mark.parametrize(
    ("found", "record", "step"),
    [
        (None, None, Step.CREATE),
        (None, WANT.record("a-1"), Step.CREATE),
        (LISTED, None, Step.READ),
        (LISTED, WANT.record("a-1"), Step.NONE),
        (LISTED, WANT.record("a-2"), Step.READ),
        (LISTED, Record(id="a-1", place=PLACE, digest="another"), Step.READ),
        (READ, None, Step.NONE),
        (replace(READ, content={"roleArn": "two"}), WANT.record("a-1"), Step.UPDATE),
        (replace(READ, owner=None), WANT.record("a-1"), Step.REFUSE),
        (replace(READ, owner=replace(OWNER, name="till")), None, Step.REFUSE),
        (replace(READ, owner=replace(OWNER, uid="of an earlier one")), None, Step.NONE),
    ],
)
def test_what_is_found_decides_the_next_step(found: Found | None, record: Record | None, step: Step) -> None:
    """What is on record spares a read; what others own stays as it is; what an earlier app left is taken."""
    assert next_step(WANT, record, found, OWNER) is step


def test_a_record_is_of_one_content_at_one_place() -> None:
    """Another role, or another ServiceAccount, is another record."""
    record = WANT.record("a-1")
    assert WANT.is_recorded(record)
    assert not replace(WANT, content={"roleArn": "two"}).is_recorded(record)
    assert not replace(WANT, place=Place("default", "till")).is_recorded(record)


def test_a_digest_does_not_depend_on_order() -> None:
    """An API may answer in any."""
    assert digest_of({"a": 1, "b": 2}) == digest_of({"b": 2, "a": 1}) != digest_of({"a": 1})


@pytest.mark.parametrize(
    ("owner", "want", "record"),
    [
        (replace(OWNER, uid="uid-2"), WANT, None),
        (OWNER, replace(WANT, content={"roleArn": "two"}), None),
        (OWNER, replace(WANT, place=Place("default", "till")), None),
        (OWNER, WANT, WANT.record("a-1")),
    ],
)
def test_a_token_stands_for_one_creation(owner: Owner, want: Want, record: Any) -> None:
    """The same after a crash; another one for another app, content or place, and after a deletion."""
    same = token(OWNER, WANT, None)
    assert token(OWNER, WANT, None) == same
    assert token(owner, want, record) != same
    assert len(same) <= 64


def test_owners_and_places_are_readable() -> None:
    """Messages name them."""
    assert (str(OWNER), str(PLACE)) == ("ContainerApp default/shop", "default/shop")


@pytest.mark.parametrize(
    ("text", "normal"), [('{"b":1, "a" : [2]}', '{"a":[2],"b":1}'), ("{no json}", "{no json}")]
)
def test_json_has_one_form(text: str, normal: str) -> None:
    """An API may lay it out otherwise than it was written."""
    assert normal_json(text) == normal
