"""Which digest an app runs, whatever was lost, edited or half written."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import pytest

from containerapp.api import images
from containerapp.controllers.workloads.image import (
    Image,
    Pinned,
    Resolving,
    Unavailable,
    answers_refresh,
    pin,
    recorded_pin,
    refresh_token,
)
from containerapp.controllers.workloads.images import find_images
from containerapp.core.model import (
    DIGEST_ANNOTATION,
    IMAGE_ANNOTATION,
    REFRESH_ANNOTATION,
    Failed,
    Key,
    Lookup,
    Manifest,
    Pending,
    PinnedImage,
    Resolved,
)
from containerapp.core.policy import Platform
from containerapp.errors import Blocked, Transient
from tests.builders import (
    DEPLOYMENT,
    DIGEST,
    KEY,
    NEW_DIGEST,
    NOW,
    REFERENCE,
    a_view,
    an_app,
    live_children,
    pinned,
)

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
    return recorded_pin(app, SHOP, [deployment] if deployment else [])


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
    """A changed image is resolved again."""
    other = "docker.io/library/shop:1.4.1"
    deployment = _deployment()
    deployment["metadata"]["annotations"][IMAGE_ANNOTATION] = other
    assert _recorded(status=_status(reference=other), deployment=deployment) is None


def test_the_status_wins_over_a_tampered_deployment() -> None:
    """An edit of the Deployment's annotations does not choose what runs; the drift is repaired instead."""
    assert _recorded(status=_status(), deployment=_deployment(NEW_DIGEST)) == pinned()


def test_removing_the_deployments_refresh_annotation_changes_nothing() -> None:
    """The status answers an old request that the app no longer makes; an edited Deployment does not outdo it."""
    record = _recorded(status=_status(refresh="1"), deployment=_deployment(NEW_DIGEST))
    assert record == pinned(refresh="1")


def test_a_crash_before_the_status_was_written_keeps_the_newer_digest() -> None:
    """The Deployment already answers the request, so the registry is not asked again, and nothing rolls twice."""
    record = _recorded(status=_status(), deployment=_deployment(NEW_DIGEST, "2"), asked="2")
    assert record == pinned(digest=NEW_DIGEST, refresh="2")


def test_a_request_without_an_answer_yet_leaves_the_old_record_standing() -> None:
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
    """A Deployment without one of its annotations says nothing, nor does a status without a digest."""
    deployment = _deployment()
    del deployment["metadata"]["annotations"][annotation]
    assert _recorded(status=_status(None), deployment=deployment) is None


def test_a_deployment_without_annotations_tells_nothing() -> None:
    """They may all have been removed by hand."""
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


# --- the image that an app runs ---------------------------------------------------------------------

DOWN = Transient("RegistryUnavailable", "It is down.")
MISSING = Blocked("ImageNotFound", "There is none.")


class Answering:
    """Digests that give one answer, and remember what they were asked."""

    def __init__(self, answer: Lookup | None = None) -> None:
        """Without an `answer`, to ask is an error."""
        self.answer = answer
        self.asked: list[tuple[str, str | None, str | None]] = []
        self.architectures = False
        self.kept: set[str] | None = None

    def lookup(
        self,
        reference: images.ImageReference,
        app: Key,
        *,
        request: str | None = None,
        known: str | None = None,
        architectures: bool = False,
    ) -> Lookup:
        """Return the answer."""
        assert app == KEY
        assert self.answer is not None
        self.asked.append((str(reference), request, known))
        self.architectures = architectures
        return self.answer

    def forget(self, app: Key, *, but: Collection[images.ImageReference] = ()) -> None:
        """Remember what stays."""
        assert app == KEY
        self.kept = {str(reference) for reference in but}

    def runs_by_tag(self, reference: images.ImageReference) -> bool:
        """Leave the tags of one registry as they are."""
        return reference.registry == "localhost:5001"


def _resolved(digest: str = DIGEST, stale_error: Transient | None = None) -> Resolved:
    return Resolved(digest=digest, resolved_at=0.0, stale_error=stale_error)


def _found(
    digests: Answering,
    *,
    image: str = "shop:1.4.2",
    status: Manifest | None = None,
    deployment: Manifest | None = None,
    asked: str | None = None,
    platform: Platform | None = None,
    architectures: Sequence[str] = (),
) -> Image:
    placed = {"placement": {"architectures": list(architectures)}} if architectures else {}
    app = an_app(
        {"image": image, **placed},
        status=status,
        annotations={} if asked is None else {REFRESH_ANNOTATION: asked},
    )
    live = {} if deployment is None else {DEPLOYMENT: deployment}
    return find_images(a_view(app, live, platform=platform or Platform()), digests)


def test_an_image_that_cannot_be_read_is_unavailable_and_no_registry_is_asked() -> None:
    """Such as one without a registry, where the platform team has set none."""
    found = _found(Answering(), platform=Platform(default_registry=""))
    assert isinstance(found, Unavailable)
    assert (found.error.reason, found.pin) == ("InvalidImage", None)


def test_an_image_by_digest_is_pinned_and_no_registry_is_asked() -> None:
    """What was asked before for the app is forgotten."""
    digests = Answering()
    found = _found(digests, image=f"shop@{DIGEST}", asked="1")
    assert found == Pinned(pin=pinned(f"shop@{DIGEST}", refresh="1"))
    assert (digests.asked, digests.kept) == ([], set())


@pytest.mark.parametrize(
    ("answer", "image"),
    [
        (_resolved(), Pinned(pin=pinned())),
        (Pending(), Resolving()),
        (Failed(error=MISSING), Unavailable(error=MISSING)),
    ],
)
def test_a_new_image_is_what_the_registry_says(answer: Lookup, image: Image) -> None:
    """Or it is not known yet, or cannot be known."""
    digests = Answering(answer)
    assert _found(digests) == image
    assert digests.asked == [(REFERENCE, None, None)]


@pytest.mark.parametrize(
    ("answer", "image"),
    [
        (_resolved(NEW_DIGEST), Pinned(pin=pinned(digest=NEW_DIGEST, refresh="2"))),
        (Pending(), Resolving(pin=pinned(refresh="1"))),
        (Failed(error=DOWN), Unavailable(error=DOWN, pin=pinned(refresh="1"))),
    ],
)
def test_a_request_to_refresh_is_put_to_the_registry(answer: Lookup, image: Image) -> None:
    """What runs, runs on until it has answered."""
    digests = Answering(answer)
    assert _found(digests, status=_status(refresh="1"), asked="2") == image
    assert digests.asked == [(REFERENCE, "2", None)]


MOVED = _status()
MOVED["image"]["latestDigest"] = NEW_DIGEST


@pytest.mark.parametrize(
    ("status", "answer", "image"),
    [
        (_status(), _resolved(), Pinned(pin=pinned())),
        (MOVED, _resolved(), Pinned(pin=pinned())),
        (_status(), _resolved(NEW_DIGEST), Pinned(pin=pinned(), latest_digest=NEW_DIGEST)),
        (_status(), _resolved(stale_error=DOWN), Pinned(pin=pinned(), news_error=DOWN)),
        (_status(), Failed(error=DOWN), Pinned(pin=pinned(), news_error=DOWN)),
        (MOVED, Failed(error=DOWN), Pinned(pin=pinned(), latest_digest=NEW_DIGEST, news_error=DOWN)),
        (_status(), Pending(), Pinned(pin=pinned(), asked=False)),
        (MOVED, Pending(), Pinned(pin=pinned(), latest_digest=NEW_DIGEST, asked=False)),
    ],
)
def test_what_runs_stays_and_the_registry_is_asked_for_news_alone(
    status: Manifest, answer: Lookup, image: Image
) -> None:
    """While there is no news, what the status says of the tag stands."""
    digests = Answering(answer)
    assert _found(digests, status=status) == image
    assert digests.asked == [(REFERENCE, None, DIGEST)]


def _built(*architectures: str, digest: str = DIGEST) -> Resolved:
    return Resolved(digest=digest, resolved_at=0.0, built_for=frozenset(architectures))


@pytest.mark.parametrize("status", [None, _status()])
@pytest.mark.parametrize(
    ("answer", "runs"),
    [
        (_built("amd64", "arm64"), True),
        (_built(), True),  # the registry does not say
        (_built("amd64"), False),
        (_resolved(), False),  # it has not been asked
    ],
)
def test_an_image_is_built_for_what_placement_names(
    answer: Lookup, status: Manifest | None, *, runs: bool
) -> None:
    """Also where `placement` is edited: what runs by the digest on record would move to nodes that cannot run it."""
    digests = Answering(answer)
    found = _found(digests, status=status, architectures=["arm64"])
    assert isinstance(found, Pinned) == runs
    assert digests.architectures
    if not runs:
        assert found.pin == (pinned() if status else None)


@pytest.mark.parametrize(("generation", "runs"), [(1, True), (0, False)])
def test_what_an_image_is_built_for_is_waited_for_once_a_spec(generation: int, *, runs: bool) -> None:
    """After a restart of the operator the registry takes its time, and an app that runs stays Ready."""
    condition = {"type": "ImageResolved", "status": "True", "reason": "Resolved", "message": "It is."}
    stated = {"observedGeneration": generation, "conditions": [{**condition, "lastTransitionTime": NOW}]}
    found = _found(Answering(_resolved()), status={**_status(), **stated}, architectures=["arm64"])
    assert found == (Pinned(pin=pinned(), asked=False) if runs else Resolving(pin=pinned()))


def test_what_an_image_is_not_built_for_is_named() -> None:
    """With what to do about it; the architectures are as the registry has written them, and shown as text."""
    found = _found(Answering(_built("amd64", "s390x\n")), architectures=["arm64", "amd64"])
    assert isinstance(found, Unavailable)
    assert found.error.reason == "ArchitectureMissing"
    assert found.error.message == (
        f"{REFERENCE} is built for amd64 and s390x?, and not for arm64, which placement.architectures names. Build and "
        "push it for arm64, too (docker buildx build --platform), or correct placement.architectures."
    )


@pytest.mark.parametrize("answer", [_built("amd64", digest=NEW_DIGEST), Pending(), Failed(error=DOWN)])
def test_what_another_image_is_built_for_holds_nothing_up(answer: Lookup) -> None:
    """The tag has moved, or nobody can tell: what runs by the digest on record runs on, and may be edited."""
    found = _found(Answering(answer), status=_status(), architectures=["arm64"])
    assert isinstance(found, Pinned)
    assert found.pin == pinned()


def test_nobody_is_asked_what_an_image_is_built_for_where_any_node_will_do() -> None:
    """It costs a request."""
    digests = Answering(_resolved())
    _found(digests)
    assert not digests.architectures


@pytest.mark.parametrize("answer", [Pending(), Failed(error=DOWN)])
def test_the_news_of_another_tag_is_no_news_of_this_one(answer: Lookup) -> None:
    """As after a crash between the Deployment and the status, when the image was changed."""
    status = _status(reference="docker.io/library/shop:1.4.1")
    status["image"]["latestDigest"] = NEW_DIGEST
    found = _found(Answering(answer), status=status, deployment=_deployment())
    assert isinstance(found, Pinned)
    assert (found.pin, found.latest_digest) == (pinned(), None)


@pytest.mark.parametrize("answer", [Pending(), Failed(error=DOWN)])
def test_the_status_says_nothing_of_a_tag_where_the_deployment_alone_has_the_record(answer: Lookup) -> None:
    """As after a restore without status."""
    found = _found(Answering(answer), deployment=_deployment())
    assert isinstance(found, Pinned)
    assert (found.pin, found.latest_digest) == (pinned(), None)


@pytest.mark.parametrize("running_gone", [False, True])
def test_whether_the_running_digest_is_gone_is_carried_over(*, running_gone: bool) -> None:
    """Whether the tag has moved or is gone as well."""
    record = _status(DIGEST)
    for answer in (
        Resolved(digest=NEW_DIGEST, resolved_at=0.0, running_gone=running_gone),
        Failed(error=MISSING, running_gone=running_gone),
    ):
        found = _found(Answering(answer), status=record)
        assert isinstance(found, Pinned)
        assert found.running_gone is running_gone


def test_an_image_that_no_registry_is_asked_about_runs_by_its_tag() -> None:
    """The nodes know it by that alone."""
    digests = Answering()
    app = an_app({"image": "shop:dev", "imagePullPolicy": "Never"})
    found = [find_images(a_view(app, {}), digests), _found(digests, image="localhost:5001/shop:1")]
    assert [each.pin.image for each in found if isinstance(each, Pinned)] == [
        "docker.io/library/shop:dev",
        "localhost:5001/shop:1",
    ]
    assert digests.kept == set()
