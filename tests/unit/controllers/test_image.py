"""Which digest an app runs, whatever was lost, edited or half written."""

from __future__ import annotations

import pytest

from containerapp.api import images
from containerapp.controllers.containerapp.image import answers_refresh, pin, recorded_pin, refresh_token
from containerapp.core.model import (
    DIGEST_ANNOTATION,
    IMAGE_ANNOTATION,
    REFRESH_ANNOTATION,
    Manifest,
    PinnedImage,
)
from tests.builders import DEPLOYMENT, DIGEST, NEW_DIGEST, REFERENCE, an_app, live_children, pinned

SHOP = images.parse("shop:1.4.2", default_registry="docker.io")


def _status(
    digest: str | None = DIGEST, *, reference: str = REFERENCE, refresh: str | None = None
) -> Manifest:
    image = {"requested": "shop:1.4.2", "reference": reference, "digest": digest, "refresh": refresh}
    return {"image": {key: value for key, value in image.items() if value is not None}}


def _deployment(digest: str = DIGEST, refresh: str | None = None) -> Manifest:
    return live_children(an_app(), pinned(digest=digest, refresh=refresh))[DEPLOYMENT]


def _recorded(
    *, status: Manifest | None = None, deployment: Manifest | None = None, asked: str | None = None
) -> PinnedImage | None:
    app = an_app(status=status, annotations={} if asked is None else {REFRESH_ANNOTATION: asked})
    return recorded_pin(app, SHOP, deployment)


def test_a_pin_runs_by_digest_and_stays_readable() -> None:
    """The container runs the repository at the digest; the tag is kept for people."""
    fixed = pin(SHOP, DIGEST, "1")
    assert fixed.image == f"docker.io/library/shop@{DIGEST}"
    assert (fixed.reference, fixed.tag, fixed.digest, fixed.refresh) == (REFERENCE, "1.4.2", DIGEST, "1")


def test_a_new_app_has_nothing_on_record() -> None:
    """Then, and only then, a registry is asked before anything runs."""
    assert _recorded() is None


@pytest.mark.parametrize(
    ("status", "deployment"),
    [
        (_status(), None),
        (None, _deployment()),
        (_status(), _deployment()),
    ],
    ids=["the Deployment was deleted", "the status was lost", "both are there"],
)
def test_either_record_is_enough(status: Manifest | None, deployment: Manifest | None) -> None:
    """A deleted Deployment, or a restore without status, takes no new digest."""
    assert _recorded(status=status, deployment=deployment) == pinned()


def test_a_record_of_another_reference_is_none() -> None:
    """A changed image is resolved anew."""
    other = "docker.io/library/shop:1.4.1"
    deployment = _deployment()
    deployment["metadata"]["annotations"][IMAGE_ANNOTATION] = other
    assert _recorded(status=_status(reference=other), deployment=deployment) is None


def test_the_status_wins_over_a_tampered_deployment() -> None:
    """Whoever edits the Deployment's annotations does not choose what runs; the drift is repaired instead."""
    assert _recorded(status=_status(), deployment=_deployment(NEW_DIGEST)) == pinned()


def test_removing_the_deployments_refresh_annotation_changes_nothing() -> None:
    """The status answers an old request that the app no longer makes; an edited Deployment does not outdo it."""
    record = _recorded(status=_status(refresh="1"), deployment=_deployment(NEW_DIGEST))
    assert record == pinned(refresh="1")


def test_a_crash_before_the_status_was_written_keeps_the_newer_digest() -> None:
    """The Deployment already answers the request, so the registry is not asked again, and nothing rolls twice."""
    record = _recorded(status=_status(), deployment=_deployment(NEW_DIGEST, "2"), asked="2")
    assert record == pinned(digest=NEW_DIGEST, refresh="2")


def test_a_request_that_nobody_answers_yet_leaves_the_old_record_standing() -> None:
    """It runs on until the registry has spoken; its refresh value tells that the request is open."""
    record = _recorded(status=_status(refresh="1"), deployment=_deployment(refresh="1"), asked="2")
    assert record == pinned(refresh="1")


@pytest.mark.parametrize("asked", [None, "2"])
def test_what_is_no_digest_is_no_record(asked: str | None) -> None:
    """A garbled annotation is no image that a node could pull; the tag is resolved instead."""
    deployment = _deployment(refresh=asked)
    deployment["metadata"]["annotations"][DIGEST_ANNOTATION] = "latest"
    assert _recorded(deployment=deployment, asked=asked) is None
    assert _recorded(status=_status("sha256:abc"), asked=asked) is None


@pytest.mark.parametrize("annotation", [IMAGE_ANNOTATION, DIGEST_ANNOTATION])
def test_half_a_record_is_none(annotation: str) -> None:
    """A Deployment without one of its annotations tells nothing, nor does a status without a digest."""
    deployment = _deployment()
    del deployment["metadata"]["annotations"][annotation]
    assert _recorded(status=_status(None), deployment=deployment) is None


def test_a_deployment_without_annotations_tells_nothing() -> None:
    """Somebody may have removed them all."""
    deployment = _deployment()
    del deployment["metadata"]["annotations"]
    assert _recorded(deployment=deployment) is None


@pytest.mark.parametrize(
    ("asked", "answered", "enough"),
    [
        (None, None, True),
        (None, "1", True),
        ("1", "1", True),
        ("2", "1", False),
        ("1", None, False),
        ("", None, False),
    ],
)
def test_asks_the_registry_only_for_a_request_that_is_new(
    asked: str | None, answered: str | None, *, enough: bool
) -> None:
    """Any value of the annotation but the one that was answered is a new request; removing it is none."""
    app = an_app(annotations={} if asked is None else {REFRESH_ANNOTATION: asked})
    assert refresh_token(app) == asked
    assert answers_refresh(pinned(refresh=answered), app) is enough
