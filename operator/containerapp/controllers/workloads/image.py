"""Which digest an app runs: fixed when `spec.image` changes, and read back from what lives afterwards. Pure.

Called by the controller before any registry is asked. What the status and the Deployment have on record wins over
what a registry says now, so that neither a re-pushed tag, nor a restart of the operator, nor an expired cache ever
rolls Pods.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from containerapp.api.artifacts import printable
from containerapp.api.images import ImageReference, is_digest, parse
from containerapp.api.process import Process
from containerapp.controllers.pods.workload import Workload
from containerapp.core.model import (
    DIGEST_ANNOTATION,
    IMAGE_ANNOTATION,
    REFRESH_ANNOTATION,
    Digests,
    Failed,
    Lookup,
    Manifest,
    Pending,
    PinnedImage,
    Resolved,
    View,
)
from containerapp.errors import Blocked, ContainerAppError, InvalidSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Pinned:
    """The image that was asked for runs, or may run, by its digest.

    `latest_digest` is where the tag points now, if elsewhere; `news_error` why that is not known at present. `asked` is
    False until a registry has been asked since the start: what the status says of the tag holds until then.
    `running_gone`: the registry does not have the digest of `pin` any more.
    """

    pin: PinnedImage
    latest_digest: str | None = None
    news_error: ContainerAppError | None = None
    asked: bool = True
    running_gone: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolving:
    """The answer is on its way; `pin` is what runs meanwhile. `image` is what is waited for, if not the app's own."""

    pin: PinnedImage | None = None
    image: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unavailable:
    """The image that was asked for has no digest, and `error` is why; `pin` is what runs meanwhile."""

    error: ContainerAppError
    pin: PinnedImage | None = None


Image: TypeAlias = Pinned | Resolving | Unavailable


def find_image(view: View, digests: Digests) -> Image:
    """Decide which digest the app runs; the resolver is asked only for what is not on record."""
    app: Workload = view.obj
    key = view.key
    try:
        reference = parse(app.spec.image, default_registry=view.platform.default_registry)
    except InvalidSpec as error:
        return Unavailable(error=error)
    if reference.digest is not None:
        return Pinned(pin=pin(reference, reference.digest, refresh_token(app)))
    if never_pulls(app.spec) or digests.runs_by_tag(reference):
        return Pinned(pin=by_tag(reference, refresh_token(app)))
    record, wanted = recorded_pin(app, reference, carriers(view)), bool(architectures(app))
    if record is not None and answers_refresh(record, app):
        answer = digests.lookup(reference, key, known=record.digest, architectures=wanted)
        if isinstance(answer, Resolved) and answer.digest == record.digest:
            answer = suited(answer, app, reference)
            if isinstance(answer, Failed) or (isinstance(answer, Pending) and not _is_resolved(app)):
                return _without(answer, record)
        return _with_news(app, reference, record, answer)
    answer = digests.lookup(reference, key, request=refresh_token(app), architectures=wanted)
    if isinstance(answer, Resolved):
        answer = suited(answer, app, reference)
    if isinstance(answer, Resolved):
        return Pinned(pin=pin(reference, answer.digest, refresh_token(app)))
    return _without(answer, record)


def _without(answer: Pending | Failed, record: PinnedImage | None) -> Resolving | Unavailable:
    if isinstance(answer, Failed):
        return Unavailable(error=answer.error, pin=record)
    return Resolving(pin=record)


def architectures(app: Workload) -> tuple[str, ...]:
    """Return the architectures that the nodes may have; none where any will do."""
    return app.spec.placement.architectures if app.spec.placement else ()


def suited(answer: Lookup, app: Workload, reference: ImageReference) -> Lookup:
    """Return `answer`, or why an image that has a digest cannot run on the nodes that `placement` allows.

    Where the registry does not say what the image is built for, it may run; until it has been asked, nobody knows.
    """
    needed = architectures(app)
    if not needed or not isinstance(answer, Resolved):
        return answer
    if answer.built_for is None:
        return Pending()
    missing = [each for each in needed if each not in answer.built_for] if answer.built_for else []
    if not missing:
        return answer
    lacking, built_for = " and ".join(missing), " and ".join(sorted(map(printable, answer.built_for)))
    return Failed(
        error=Blocked(
            "ArchitectureMissing",
            f"{reference} is built for {built_for}, and not for {lacking}, which placement.architectures names. Build "
            f"and push it for {lacking}, too (docker buildx build --platform), or correct placement.architectures.",
        )
    )


def _is_resolved(app: Workload) -> bool:
    """Whether the status says of this very spec that the image may run: a restart of the operator changes nothing."""
    is_current = app.status.observed_generation == app.metadata.generation
    return is_current and any(
        each.type == "ImageResolved" and each.status == "True" for each in app.status.conditions
    )


def _with_news(app: Workload, reference: ImageReference, record: PinnedImage, answer: Lookup) -> Pinned:
    """Add where the tag points now; while nobody can tell, what the status says stands."""
    status = app.status.image
    shown = status.latest_digest if status and status.reference == str(reference) else None
    match answer:
        case Resolved(digest=digest, stale_error=error, running_gone=gone):
            latest = _moved(digest, record)
            return Pinned(pin=record, latest_digest=latest, news_error=error, running_gone=gone)
        case Failed(error=error, running_gone=gone):
            latest = _moved(shown, record)
            return Pinned(pin=record, latest_digest=latest, news_error=error, running_gone=gone)
        case Pending():
            return Pinned(pin=record, latest_digest=_moved(shown, record), asked=False)


def _moved(digest: str | None, record: PinnedImage) -> str | None:
    return None if digest == record.digest else digest


def pin(reference: ImageReference, digest: str, refresh: str | None) -> PinnedImage:
    """Return `reference` fixed to `digest`, as the answer to the refresh annotation's value `refresh`."""
    return PinnedImage(
        reference=str(reference),
        tag=reference.tag,
        digest=digest,
        image=reference.pinned(digest),
        refresh=refresh,
    )


def by_tag(reference: ImageReference, refresh: str | None) -> PinnedImage:
    """Return `reference` as it is: the image of an app for which no registry is asked runs by its tag."""
    return PinnedImage(
        reference=str(reference),
        tag=reference.tag,
        digest="",
        image=reference.canonical,
        refresh=refresh,
    )


def never_pulls(process: Process) -> bool:
    """Whether the image was put on the nodes by other means: it is known there by its tag alone."""
    return process.image_pull_policy == "Never"


def refresh_token(app: Workload) -> str | None:
    """Return the value of the annotation by which the user asks for a moved tag's new digest."""
    return app.metadata.annotations.get(REFRESH_ANNOTATION)


def recorded_pin(
    app: Workload, reference: ImageReference, children: Iterable[Manifest]
) -> PinnedImage | None:
    """Return the digest on record for `reference`, or None where there is none.

    The result's `refresh` tells whether it answers the annotation's present value. Where there is one, a record
    that answers it comes first: a crash between a child and the status leaves the newer one on the child. Otherwise
    the status wins, for nobody edits that by hand. What is no digest is no record.
    """
    records = [
        pin(reference, digest, refresh)
        for recorded, digest, refresh in _records(app, children)
        if recorded == str(reference) and is_digest(digest)
    ]
    answering = [record for record in records if answers_refresh(record, app)]
    return next(iter(answering + records), None)


def answers_refresh(record: PinnedImage, app: Workload) -> bool:
    """Whether the user has asked for nothing newer than `record`.

    Removing the annotation asks for nothing.
    """
    token = refresh_token(app)
    return token is None or record.refresh == token


def carriers(view: View) -> Iterator[Manifest]:
    """Yield the children that have the digest on record: of each kind the newest, for older ones are history.

    After a rollback the newest revision alone has what the spec asks for.
    """
    for kind in ("ControllerRevision", "Deployment", "Job", "CronJob"):
        children = [child for child in view.live.values() if child["kind"] == kind]
        yield from sorted(children, key=_created)[-1:]


def _created(child: Manifest) -> str:
    return str(child["metadata"].get("creationTimestamp"))


def _records(app: Workload, children: Iterable[Manifest]) -> Iterator[tuple[str, str, str | None]]:
    status = app.status.image
    if status is not None and status.reference and status.digest:
        yield status.reference, status.digest, status.refresh
    for child in children:
        annotations = child["metadata"].get("annotations") or {}
        if annotations.get(IMAGE_ANNOTATION) and annotations.get(DIGEST_ANNOTATION):
            yield (
                annotations[IMAGE_ANNOTATION],
                annotations[DIGEST_ANNOTATION],
                annotations.get(REFRESH_ANNOTATION),
            )
