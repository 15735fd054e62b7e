"""What a ControllerRevision tells of a Pod template: `containerapp.controllers.containerapp.revisions`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings

from containerapp.api.containerapp import ContainerAppSpec
from containerapp.controllers.containerapp.revisions import (
    NOT_IN_TEMPLATE,
    Cause,
    Fingerprint,
    Revision,
    read_all,
    running_number,
)
from containerapp.controllers.pods.template import pod_template
from containerapp.core.model import Manifest
from tests.builders import DIGEST, an_app, pinned, with_others
from tests.strategies import specs

PRINT = Fingerprint(spec="a", images="b", facts="c")
REVISION = Revision(
    number=7, fingerprint=PRINT, template="t", pin=pinned(refresh="1"), operator="0.1.0", cause=Cause.SPEC
)


def _stored(revision: Revision, **notes: str | None) -> Manifest:
    written = {**revision.annotations(), **notes}
    annotations = {key: value for key, value in written.items() if value is not None}
    return {"kind": "ControllerRevision", "metadata": {"name": "shop-7", "annotations": annotations}}


@pytest.mark.parametrize(
    "revision",
    [
        REVISION,
        replace(REVISION, failure="It crashes.", rejected=True, retried="x", before_done=True),
        replace(REVISION, failure="It crashes."),
        replace(REVISION, secrets=("shop-secrets-manager-1", "shop-parameter-store-2")),
        replace(REVISION, pin=replace(pinned(), digest="", image="docker.io/library/shop:1.4.2")),
    ],
)
def test_a_revision_reads_what_it_has_written(revision: Revision) -> None:
    """In annotations, which the watch of metadata shows."""
    assert Revision.read(_stored(revision)) == revision


@pytest.mark.parametrize(
    "notes",
    [
        {"containerapp.dev/revision": "x"},
        {"containerapp.dev/revision": None},
        {"containerapp.dev/cause": "Whim"},
        {"containerapp.dev/image": "UPPER/case"},
        {"containerapp.dev/template-hash": None},
    ],
)
def test_what_was_edited_by_hand_is_no_revision(notes: dict[str, Any]) -> None:
    """It is not rolled back to."""
    assert Revision.read(_stored(REVISION, **notes)) is None
    assert Revision.read({"kind": "ControllerRevision", "metadata": {"name": "x"}}) is None


def test_revisions_are_sorted_and_other_children_left_out() -> None:
    """By number, not by name."""
    tenth = replace(REVISION, number=10)
    stored = [_stored(tenth), _stored(REVISION), {"kind": "Service", "metadata": {}}]
    assert read_all(stored) == (REVISION, tenth)


def test_a_deployment_names_the_revision_that_it_runs() -> None:
    """One of another origin names none."""
    named = {"metadata": {"annotations": {"containerapp.dev/revision": "7"}}}
    assert running_number(named) == 7
    assert running_number({"metadata": {}}) is None
    assert running_number(None) is None


def test_a_fingerprint_is_read_as_it_was_written() -> None:
    """What is malformed equals no other."""
    assert Fingerprint.read(str(PRINT)) == PRINT
    assert Fingerprint.read("a") != PRINT


def test_what_a_template_is_rendered_from_makes_the_fingerprint() -> None:
    """The spec, the images, the facts outside; a default that is spelled out is none."""
    base = Fingerprint.of(an_app(), pinned(), {})
    assert Fingerprint.of(an_app({"replicas": 7, "imagePullPolicy": "IfNotPresent"}), pinned(), {}) == base
    assert Fingerprint.of(an_app({"args": ["x"]}), pinned(), {}).spec != base.spec
    assert Fingerprint.of(an_app(), pinned(digest="sha256:" + "3" * 64), {}).images != base.images
    assert Fingerprint.of(an_app(), pinned(), {"ConfigMap shop": "2"}).facts != base.facts
    assert DIGEST in pinned().image


def test_fields_that_no_template_has_exist() -> None:
    """A renamed field must not become one that restarts Pods."""
    assert set(NOT_IN_TEMPLATE) <= set(ContainerAppSpec.model_fields)


@settings(max_examples=50, deadline=None)
@given(specs())
def test_fields_that_no_template_has_change_none(spec: Manifest) -> None:
    """An edit of them makes no revision."""
    excluded = {ContainerAppSpec.model_fields[name].alias or name for name in NOT_IN_TEMPLATE}
    bare = {key: value for key, value in spec.items() if key not in excluded}
    image = with_others(pinned(), an_app(spec))
    assert pod_template(an_app(spec), image) == pod_template(an_app(bare), image)
