"""The index of what custom objects claim and follow: `containerapp.kube.claims`."""

from __future__ import annotations

from containerapp.core.model import Key
from containerapp.kube.claims import Claims

A, B, C = (Key("ContainerApp", "default", name) for name in "abc")
X, Y, Z, NONE = frozenset("x"), frozenset("y"), frozenset("z"), frozenset[str]()


def test_objects_that_share_a_claim_know_of_each_other() -> None:
    """And learn of a change of it alone."""
    claims = Claims()
    assert claims.update(A, X | Y) == set()
    assert claims.update(B, Y | Z) == {A}
    assert claims.update(C, Z) == {B}
    assert (claims.followed(A) - {A}, claims.followed(B) - {B}) == ({B}, {A, C})
    assert claims.update(B, Y | Z) == set()
    assert claims.update(B, Z) == {A}
    assert claims.followed(A) == {A}


def test_an_object_that_is_gone_leaves_nothing_behind() -> None:
    """The index does not grow with the objects that there were."""
    claims = Claims()
    claims.update(A, X, state="new")
    claims.update(B, X)
    assert claims.update(A, NONE) == {B}
    assert claims.update(B, NONE) == set()
    assert claims.update(C, NONE) == set()
    assert (claims._claimed.of, dict(claims._claimed.by)) == ({}, {})
    assert (claims._followed.of, dict(claims._followed.by), claims._states) == ({}, {}, {})


def test_who_follows_is_told_of_a_change_of_state() -> None:
    """And who is followed hears nothing of those who follow: a thousand may."""
    claims = Claims()
    assert claims.update(A, X, NONE, "runs") == set()
    assert claims.update(B, Y, X, "waits") == set()
    assert claims.update(A, X, NONE, "runs") == set()
    assert claims.update(A, X, NONE, "has run") == {B}
    assert claims.update(B, Y, X, "runs") == set()
    assert claims.update(A, NONE) == {B}


def test_a_chain_reaches_back_to_where_it_begins() -> None:
    """So that a ring is seen from each of its objects."""
    claims = Claims()
    claims.update(A, X, Y)
    claims.update(B, Y, Z)
    claims.update(C, Z, NONE)
    assert (claims.chain(A), claims.chain(C)) == ({B, C}, set())
    claims.update(C, Z, X)
    assert claims.chain(A) == {A, B, C}
