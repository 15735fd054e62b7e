"""Which digest each container runs: the app's own, its sidecars and its init containers. Pure.

Called by the controller before any registry is asked. A digest is fixed when the reference changes and read back from
the children that carry it; one reference is one digest in all containers. Where a further container has
none, neither does the app, and the reason names the container.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TypeAlias

import orjson

from containerapp.api.images import ImageReference, is_digest, parse
from containerapp.api.sidecars import FurtherContainer
from containerapp.controllers.pods.workload import Workload
from containerapp.controllers.workloads.image import (
    Image,
    Pinned,
    Resolving,
    Unavailable,
    architectures,
    by_tag,
    carriers,
    find_image,
    never_pulls,
    pin,
    refresh_token,
    suited,
)
from containerapp.core.model import (
    DIGEST_ANNOTATION,
    IMAGE_ANNOTATION,
    REFRESH_ANNOTATION,
    Digests,
    Failed,
    Pending,
    PinnedImage,
    Resolved,
    View,
)
from containerapp.errors import ContainerAppError, InvalidSpec, Transient

_IMAGES = "containerapp.dev/images"
"""On revisions, the Deployment and Jobs: reference and digest of each further container, by its name."""

_Found: TypeAlias = PinnedImage | Pending | ContainerAppError


def find_images(view: View, digests: Digests) -> Image:
    """Decide which digest each container runs; a registry is asked only for what is not on record."""
    app: Workload = view.obj
    image = find_image(view, digests)
    known = _known(view, image)
    containers = (*app.spec.sidecars, *app.spec.init_containers)
    found = {each.name: _find(view, digests, each, known) for each in containers}
    unknown = [each.image for each in containers if not isinstance(found[each.name], PinnedImage)]
    own = [] if never_pulls(app.spec) else [app.spec.image]
    digests.forget(view.key, but=set(_asked(view, digests, own + unknown)))
    for each in containers:
        answer = found[each.name]
        if isinstance(answer, ContainerAppError) and isinstance(image, Pinned):
            return Unavailable(error=_named(answer, each.name), pin=image.pin)
        if isinstance(answer, Pending) and isinstance(image, Pinned):
            return Resolving(pin=image.pin, image=f"{each.image} (container {each.name})")
    return _with_others(image, found)


def _find(view: View, digests: Digests, container: FurtherContainer, known: Mapping[str, str]) -> _Found:
    token = refresh_token(view.obj)
    try:
        reference = parse(container.image, default_registry=view.platform.default_registry)
    except InvalidSpec as error:
        return error
    if never_pulls(container) or (reference.digest is None and digests.runs_by_tag(reference)):
        return by_tag(reference, token)
    digest = reference.digest or known.get(str(reference))
    if digest is not None:
        return pin(reference, digest, token)
    wanted = bool(architectures(view.obj))
    answer = digests.lookup(reference, view.key, request=token, architectures=wanted)
    match suited(answer, view.obj, reference):
        case Resolved(digest=digest):
            return pin(reference, digest, token)
        case Failed(error=failure):
            return failure
        case Pending() as pending:
            return pending


def _asked(view: View, digests: Digests, texts: list[str]) -> Iterator[ImageReference]:
    """Yield the references that a registry is asked about."""
    for text in texts:
        try:
            reference = parse(text, default_registry=view.platform.default_registry)
        except InvalidSpec:
            continue
        if reference.digest is None and not digests.runs_by_tag(reference):
            yield reference


def _known(view: View, image: Image) -> dict[str, str]:
    """Return the digests on record by their references; the app's own last, for it decides for all containers.

    A record that does not answer the user's wish for a fresh one does not count.
    """
    token, known = refresh_token(view.obj), dict[str, str]()
    for child in reversed(list(carriers(view))):
        notes = child["metadata"].get("annotations") or {}
        if token is not None and notes.get(REFRESH_ANNOTATION) != token:
            continue
        known |= {each.reference: each.digest for each in _pins(notes) if each.digest}
        reference, digest = notes.get(IMAGE_ANNOTATION), notes.get(DIGEST_ANNOTATION, "")
        known |= {reference: digest} if reference and is_digest(digest) else {}
    if isinstance(image, Pinned) and image.pin.digest:
        known[image.pin.reference] = image.pin.digest
    return known


def _pins(notes: Mapping[str, str]) -> list[PinnedImage]:
    """Return the images of a record; what others have written there is no record."""
    try:
        return [each for _, each in noted_others(notes)]
    except (ValueError, InvalidSpec):
        return []


def _with_others(image: Image, found: Mapping[str, _Found]) -> Image:
    if not isinstance(image, Pinned):
        return image
    others = tuple((name, each) for name, each in found.items() if isinstance(each, PinnedImage))
    return replace(image, pin=replace(image.pin, others=others))


def _named(error: ContainerAppError, container: str) -> ContainerAppError:
    message = f"Container {container}: {error.message.replace('spec.image', 'its image')}"
    if isinstance(error, Transient):
        return Transient(error.reason, message, retry_after=error.retry_after)
    return type(error)(error.reason, message)


def others_noted(image: PinnedImage) -> dict[str, str]:
    """Return the annotation that keeps the images of the further containers; none without such."""
    if not image.others:
        return {}
    texts = {name: f"{each.reference} {each.digest}".strip() for name, each in image.others}
    return {_IMAGES: orjson.dumps(texts).decode()}


def noted_others(notes: Mapping[str, str]) -> tuple[tuple[str, PinnedImage], ...]:
    """Read what `others_noted` has written; what is malformed raises ValueError or InvalidSpec."""
    texts = orjson.loads(notes.get(_IMAGES, "{}"))
    if not isinstance(texts, dict) or not all(isinstance(text, str) for text in texts.values()):
        raise ValueError(_IMAGES)
    return tuple((name, _noted(text, notes.get(REFRESH_ANNOTATION))) for name, text in texts.items())


def _noted(text: str, refresh: str | None) -> PinnedImage:
    name, _, digest = text.partition(" ")
    if digest and not is_digest(digest):
        raise ValueError(digest)
    reference = parse(name, default_registry="docker.io")
    return pin(reference, digest, refresh) if digest else by_tag(reference, refresh)
