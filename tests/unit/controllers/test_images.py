"""Which digest sidecars and init containers run: `containerapp.controllers.workloads.images`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import pytest

from containerapp.api.images import ImageReference
from containerapp.controllers.containerapp.revisions import Fingerprint
from containerapp.controllers.workloads.image import Image, Pinned, Resolving, Unavailable
from containerapp.controllers.workloads.images import find_images, noted_others, others_noted
from containerapp.core.model import (
    REFRESH_ANNOTATION,
    Failed,
    Key,
    Lookup,
    Manifest,
    ObjectRef,
    Pending,
    Resolved,
)
from containerapp.core.policy import Platform
from containerapp.errors import Blocked, InvalidSpec, Transient
from tests.builders import DIGEST, NEW_DIGEST, REFERENCE, a_view, an_app, live_children

PROXY = "docker.io/library/proxy:1"
_WITH_PROXY = {"sidecars": [{"name": "proxy", "image": "proxy:1"}]}


class Answers:
    """A registry that answers for each reference, by default that the answer is on its way."""

    def __init__(self, **answers: Lookup) -> None:
        """Take the answers by the name of the repository."""
        self.answers = answers
        self.asked: list[tuple[str, str | None]] = []
        self.kept: set[str] = set()
        self.looks_into: dict[str, bool] = {}

    def lookup(
        self,
        reference: ImageReference,
        _app: Key,
        *,
        request: str | None = None,
        known: str | None = None,
        architectures: bool = False,
    ) -> Lookup:
        """Return the answer."""
        del known
        self.looks_into[reference.repository.rpartition("/")[2]] = architectures
        self.asked.append((str(reference), request))
        return self.answers.get(reference.repository.rpartition("/")[2], Pending())

    def runs_by_tag(self, reference: ImageReference) -> bool:
        """Leave the tags of one registry as they are."""
        return reference.registry == "localhost:5001"

    def forget(self, _app: Key, *, but: Collection[ImageReference] = ()) -> None:
        """Remember what stays."""
        self.kept = {str(reference) for reference in but}


def _resolved(digest: str = DIGEST) -> Resolved:
    return Resolved(digest=digest, resolved_at=0.0)


def _found(
    digests: Answers,
    spec: Manifest,
    live: Mapping[ObjectRef, Manifest] | None = None,
    wish: str | None = None,
) -> Image:
    app = an_app(spec, annotations={} if wish is None else {REFRESH_ANNOTATION: wish})
    return find_images(a_view(app, live or {}), digests)


def _others(image: Image) -> dict[str, str]:
    assert isinstance(image, Pinned)
    return {name: each.image for name, each in image.pin.others}


def test_every_container_runs_by_digest() -> None:
    """A tag reaches no node; the app's own digest stands for the same reference in all containers."""
    digests = Answers(shop=_resolved(), proxy=_resolved(NEW_DIGEST))
    spec = {**_WITH_PROXY, "initContainers": [{"name": "schema", "image": "shop:1.4.2"}]}
    assert _others(_found(digests, spec)) == {
        "proxy": f"docker.io/library/proxy@{NEW_DIGEST}",
        "schema": f"docker.io/library/shop@{DIGEST}",
    }
    assert digests.kept == {REFERENCE}


def test_a_container_without_a_digest_yet_is_waited_for() -> None:
    """Its question stays open; nothing runs by a tag meanwhile."""
    digests = Answers(shop=_resolved())
    found = _found(digests, _WITH_PROXY)
    assert isinstance(found, Resolving)
    assert found.image == "proxy:1 (container proxy)"
    assert digests.kept == {REFERENCE, PROXY}


@pytest.mark.parametrize(
    "error",
    [
        Blocked("ImageNotFound", "There is none: correct spec.image."),
        Transient("Throttled", "Again: correct spec.image.", retry_after=7.0),
    ],
)
def test_a_container_whose_image_is_missing_is_named(error: Any) -> None:
    """The remedy is in its entry, not in the app's own image."""
    found = _found(Answers(shop=_resolved(), proxy=Failed(error=error)), _WITH_PROXY)
    assert isinstance(found, Unavailable)
    assert type(found.error) is type(error)
    assert found.error.reason == error.reason
    assert found.error.message.startswith("Container proxy: ")
    assert found.error.message.endswith("correct its image.")
    assert getattr(found.error, "retry_after", None) == getattr(error, "retry_after", None)


def test_a_container_that_is_not_built_for_the_nodes_is_named() -> None:
    """They are the Pod's, so all its images must be built for them."""
    both = frozenset({"amd64", "arm64"})
    digests = Answers(
        shop=Resolved(digest=DIGEST, resolved_at=0.0, built_for=both),
        proxy=Resolved(digest=NEW_DIGEST, resolved_at=0.0, built_for=frozenset({"amd64"})),
    )
    found = _found(digests, {**_WITH_PROXY, "placement": {"architectures": ["arm64"]}})
    assert isinstance(found, Unavailable)
    assert found.error.reason == "ArchitectureMissing"
    assert found.error.message.startswith("Container proxy: docker.io/library/proxy:1 is built for amd64")
    assert digests.looks_into == {"shop": True, "proxy": True}


def test_the_app_comes_first_among_what_is_missing() -> None:
    """One reason at a time."""
    found = _found(Answers(proxy=Failed(error=Blocked("ImageNotFound", "None."))), _WITH_PROXY)
    assert found == Resolving()


def test_a_container_by_digest_by_tag_or_never_pulled_asks_nobody() -> None:
    """As the app itself."""
    digests = Answers(shop=_resolved())
    sidecars = [
        {"name": "a", "image": f"a@{NEW_DIGEST}"},
        {"name": "b", "image": "localhost:5001/b:1"},
        {"name": "c", "image": "c:1", "imagePullPolicy": "Never"},
    ]
    found = _found(digests, {"sidecars": sidecars})
    assert list(_others(found).values()) == [
        f"docker.io/library/a@{NEW_DIGEST}",
        "localhost:5001/b:1",
        "docker.io/library/c:1",
    ]
    assert digests.asked == [(REFERENCE, None)]


def test_a_digest_on_record_is_kept() -> None:
    """Neither a moved tag nor a restart of the operator rolls the Pods."""
    live = live_children(an_app(_WITH_PROXY))
    digests = Answers(shop=_resolved(), proxy=_resolved(NEW_DIGEST))
    assert _others(_found(digests, _WITH_PROXY, live)) == {"proxy": f"docker.io/library/proxy@{DIGEST}"}
    assert digests.kept == {REFERENCE}


def test_a_request_for_fresh_digests_is_one_for_all_containers() -> None:
    """The record does not answer it."""
    live = live_children(an_app(_WITH_PROXY))
    digests = Answers(shop=_resolved(), proxy=_resolved(NEW_DIGEST))
    found = _found(digests, _WITH_PROXY, live, wish="2")
    assert _others(found) == {"proxy": f"docker.io/library/proxy@{NEW_DIGEST}"}
    assert (PROXY, "2") in digests.asked


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"proxy": 1}', '{"proxy": "proxy:1 latest"}', '{"proxy": ""}']
)
def test_a_garbled_record_is_none(text: str) -> None:
    """The tag is resolved instead."""
    live = live_children(an_app(_WITH_PROXY))
    for manifest in live.values():
        if "containerapp.dev/images" in (notes := manifest["metadata"].get("annotations", {})):
            notes["containerapp.dev/images"] = text
    digests = Answers(shop=_resolved(), proxy=_resolved(NEW_DIGEST))
    assert _others(_found(digests, _WITH_PROXY, live)) == {"proxy": f"docker.io/library/proxy@{NEW_DIGEST}"}


def test_a_record_is_read_as_it_was_written() -> None:
    """Or a revision would be written again and again."""
    sidecars = [{"name": "a", "image": "a:1"}, {"name": "b", "image": "b:1", "imagePullPolicy": "Never"}]
    found = _found(Answers(shop=_resolved(), a=_resolved()), {"sidecars": sidecars})
    assert isinstance(found, Pinned)
    assert noted_others(others_noted(found.pin)) == found.pin.others


def test_an_image_that_cannot_be_read_is_named() -> None:
    """Such as one without a registry, where the platform team has set none."""
    app = an_app({"image": "ghcr.io/acme/shop:1", **_WITH_PROXY})
    view = a_view(app, {}, platform=Platform(default_registry=""))
    found = find_images(view, Answers(shop=_resolved()))
    assert isinstance(found, Unavailable)
    assert isinstance(found.error, InvalidSpec)
    assert found.error.message.startswith("Container proxy: its image `proxy:1` is no image")


def test_another_digest_of_a_container_is_another_revision() -> None:
    """It restarts the Pods, and can be rolled back."""
    spec = {**_WITH_PROXY}
    first, second = (
        _found(Answers(shop=_resolved(), proxy=_resolved(digest)), spec) for digest in (DIGEST, NEW_DIGEST)
    )
    assert isinstance(first, Pinned)
    assert isinstance(second, Pinned)
    app = an_app(spec)
    assert Fingerprint.of(app, first.pin, {}) != Fingerprint.of(app, second.pin, {})
