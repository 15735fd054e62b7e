"""What the status says of the image: the condition ImageResolved, and the digest that runs. Pure.

Called by the `status` of each kind.
"""

from __future__ import annotations

from containerapp.controllers.pods.workload import Workload
from containerapp.controllers.workloads.concerns import PodFacts
from containerapp.controllers.workloads.image import Pinned, Resolving, Unavailable
from containerapp.core.conditions import Condition
from containerapp.core.model import REFRESH_ANNOTATION, Manifest


def image_resolved(facts: PodFacts) -> Condition:
    """Say whether the image has a digest, and what has become of its tag."""
    match facts.image:
        case Unavailable(error=error):
            return Condition(type="ImageResolved", status="False", reason=error.reason, message=error.message)
        case Resolving(image=other):
            message = f"Asking the registry where {other or facts.app.spec.image} points."
            return Condition(type="ImageResolved", status="Unknown", reason="Resolving", message=message)
        case Pinned() as image:
            return _unchanged(facts.app, image) or _pinned(facts.app, image)


def _pinned(app: Workload, image: Pinned) -> Condition:
    pin = image.pin
    if not pin.digest:
        message = f"{pin.reference} runs by its tag: no registry is asked which image that is."
        return Condition(type="ImageResolved", status="True", reason="ByTag", message=message)
    if image.running_gone:
        message = (
            f"The registry does not have {pin.digest} any more, which runs as {pin.reference}: a Pod on another node "
            f"cannot start. To take what the tag points to now: {_refresh(app)}"
        )
        return Condition(type="ImageResolved", status="True", reason="DigestGone", message=message)
    if image.latest_digest is not None:
        message = (
            f"{pin.reference} now points to {image.latest_digest}, but {pin.digest} keeps running. "
            f"To take the new one: {_refresh(app)}"
        )
        return Condition(type="ImageResolved", status="True", reason="TagMoved", message=message)
    message = f"{pin.reference} is {pin.digest}."
    if image.news_error is not None:
        message += f" Whether the tag has moved since is not known: {image.news_error.message}"
    return Condition(type="ImageResolved", status="True", reason="Resolved", message=message)


def _refresh(app: Workload) -> str:
    metadata = app.metadata
    asked = f"{REFRESH_ANNOTATION}=$(date +%s) --overwrite"
    return f"kubectl annotate {app.kind.lower()} {metadata.name} -n {metadata.namespace} {asked}"


def _unchanged(app: Workload, image: Pinned) -> Condition | None:
    """Return what the status says of the same digest, which holds until a registry has been asked."""
    status, old = (
        app.status.image,
        next((c for c in app.status.conditions if c.type == "ImageResolved"), None),
    )
    if image.asked or old is None or old.status != "True" or status is None:
        return None
    if status.digest != image.pin.digest:
        return None
    return Condition(type=old.type, status=old.status, reason=old.reason, message=old.message)


def image_status(facts: PodFacts) -> Manifest:
    """Describe the digest that runs: the one that is pinned now, or what the status already has."""
    pin, app = facts.image.pin, facts.app
    if pin is None:
        known = app.status.image
        return known.model_dump(by_alias=True, exclude_none=True) if known else {"requested": app.spec.image}
    image = {
        "requested": app.spec.image,
        "reference": pin.reference,
        "digest": pin.digest or None,
        "refresh": pin.refresh,
        "latestDigest": facts.image.latest_digest if isinstance(facts.image, Pinned) else None,
    }
    return {key: value for key, value in image.items() if value is not None}
