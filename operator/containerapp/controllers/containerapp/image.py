"""Which digest an app runs: fixed when `spec.image` changes, and read back from what lives afterwards. Pure.

Called by the reconcile before it asks any registry. What the status and the Deployment remember wins over
whatever a registry says now, so that neither a re-pushed tag, nor a restart of the operator, nor an expired cache
ever rolls Pods.
"""

from __future__ import annotations

from collections.abc import Iterator

from containerapp.api.containerapp import ContainerApp
from containerapp.api.images import ImageReference, is_digest
from containerapp.core.model import (
    DIGEST_ANNOTATION,
    IMAGE_ANNOTATION,
    REFRESH_ANNOTATION,
    Manifest,
    PinnedImage,
)


def pin(reference: ImageReference, digest: str, refresh: str | None) -> PinnedImage:
    """Return `reference` fixed to `digest`, as the answer to the refresh annotation's value `refresh`."""
    return PinnedImage(
        reference=str(reference),
        tag=reference.tag,
        digest=digest,
        image=reference.pinned(digest),
        refresh=refresh,
    )


def refresh_token(app: ContainerApp) -> str | None:
    """Return the value of the annotation by which the user asks for a moved tag's new digest."""
    return app.metadata.annotations.get(REFRESH_ANNOTATION)


def recorded_pin(
    app: ContainerApp, reference: ImageReference, deployment: Manifest | None
) -> PinnedImage | None:
    """Return the digest on record for `reference`, or None where there is none.

    The result's `refresh` tells whether it answers the annotation's present value. Where there is one, a record
    that answers it comes first: a crash between the Deployment and the status leaves the newer one on the
    Deployment. Otherwise the status wins, for nobody edits that by hand. What is no digest is no record.
    """
    records = [
        pin(reference, digest, refresh)
        for recorded, digest, refresh in _records(app, deployment)
        if recorded == str(reference) and is_digest(digest)
    ]
    answering = [record for record in records if answers_refresh(record, app)]
    return next(iter(answering + records), None)


def answers_refresh(record: PinnedImage, app: ContainerApp) -> bool:
    """Whether the user has asked for nothing newer than `record`.

    Removing the annotation asks for nothing.
    """
    token = refresh_token(app)
    return token is None or record.refresh == token


def _records(app: ContainerApp, deployment: Manifest | None) -> Iterator[tuple[str, str, str | None]]:
    status = app.status.image
    if status is not None and status.reference and status.digest:
        yield status.reference, status.digest, status.refresh
    annotations = (deployment or {}).get("metadata", {}).get("annotations", {})
    if annotations.get(IMAGE_ANNOTATION) and annotations.get(DIGEST_ANNOTATION):
        yield (
            annotations[IMAGE_ANNOTATION],
            annotations[DIGEST_ANNOTATION],
            annotations.get(REFRESH_ANNOTATION),
        )
