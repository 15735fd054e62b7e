"""The values between the phases: `containerapp.core.model`."""

from __future__ import annotations

import pytest

from containerapp.controllers.containerapp.children import CHILDREN
from containerapp.core.model import ImageState, ObjectRef, Outcome
from tests.builders import SERVICE, an_app, desired_children


def test_a_reference_names_kind_and_name() -> None:
    """It is what log lines and messages call the object."""
    assert str(SERVICE) == "Service shop"
    assert ObjectRef.of({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "shop"}}) == SERVICE


@pytest.mark.parametrize(("kind", "group"), [("ServiceAccount", ""), ("Service", ""), ("Deployment", "apps")])
def test_the_group_of_a_kind_is_that_of_its_version(kind: str, group: str) -> None:
    """The core group has no name."""
    assert next(child for child in CHILDREN if child.resource.kind == kind).resource.group == group


def test_the_table_of_children_says_what_they_render() -> None:
    """Watches, pruning and rights derive from the table, so it must tell the truth."""
    rendered = [ObjectRef.of(manifest) for manifest in desired_children(an_app({"port": 80}))]
    assert [(ref.api_version, ref.kind) for ref in rendered] == [
        (child.resource.api_version, child.resource.kind) for child in CHILDREN
    ]


def test_an_outcome_knows_nothing_until_told() -> None:
    """No image, no error, no children."""
    assert Outcome() == Outcome(image=ImageState(), error=None, resources=(), pod_problem=None)
