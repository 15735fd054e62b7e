"""Deployment: keeps the desired number of Pods running and replaces them without losing a request.

The image always runs by digest; the reference it was resolved from stays readable in annotations here, on the
Deployment alone, since that is the one child which changes with every release anyway.
"""

from __future__ import annotations

from collections.abc import Iterator

from containerapp.api.containerapp import ContainerApp
from containerapp.controllers.containerapp.inputs import Inputs
from containerapp.controllers.pods.metadata import metadata, track_selector
from containerapp.controllers.pods.template import pod_template
from containerapp.core.model import (
    DIGEST_ANNOTATION,
    IMAGE_ANNOTATION,
    INITIAL_REPLICAS_ANNOTATION,
    REFRESH_ANNOTATION,
    Child,
    Manifest,
    ObjectRef,
    PinnedImage,
    Resource,
)

_REVISION_HISTORY = 10
_DEADLINE_SECONDS = 600
_MAX_SURGE = "25%"
_MAX_UNAVAILABLE = 0


def render(app: ContainerApp, inputs: Inputs) -> Iterator[Manifest]:
    """Yield the app's Deployment as soon as its image is pinned to a digest."""
    image = inputs.pin
    if image is None:
        return
    yield {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata(app, image=image, annotations=_annotations(app, image)),
        "spec": {
            **_replicas(app),
            "revisionHistoryLimit": _REVISION_HISTORY,
            "progressDeadlineSeconds": _deadline(app),
            "selector": {"matchLabels": track_selector(app)},
            "strategy": _strategy(app),
            "template": pod_template(app, image),
        },
    }


def _replicas(app: ContainerApp) -> Manifest:
    """Pods that should run: none while the app is suspended; the autoscaler's to say where there is one."""
    if app.spec.suspend:
        return {"replicas": 0}
    return {} if app.spec.autoscaling else {"replicas": app.spec.replicas}


def _deadline(app: ContainerApp) -> int:
    """Longer than what the startup probe grants: a slow start is not a failed rollout."""
    return app.spec.rollout.progress_deadline_seconds or _DEADLINE_SECONDS + app.spec.startup_seconds()


def _strategy(app: ContainerApp) -> Manifest:
    rollout = app.spec.rollout
    if rollout.strategy == "Recreate":
        return {"type": "Recreate"}
    unavailable = _MAX_UNAVAILABLE if rollout.max_unavailable is None else rollout.max_unavailable
    surge = _MAX_SURGE if rollout.max_surge is None else rollout.max_surge
    return {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxUnavailable": unavailable, "maxSurge": surge},
    }


def _annotations(app: ContainerApp, image: PinnedImage) -> dict[str, str]:
    scaled = app.spec.autoscaling is not None and not app.spec.suspend
    return {
        **({INITIAL_REPLICAS_ANNOTATION: str(app.spec.fewest_pods())} if scaled else {}),
        IMAGE_ANNOTATION: image.reference,
        **({DIGEST_ANNOTATION: image.digest} if image.digest else {}),
        **({REFRESH_ANNOTATION: image.refresh} if image.refresh is not None else {}),
    }


CHILD = Child(
    resource=Resource(api_version="apps/v1", kind="Deployment", plural="deployments"), render=render
)


def ref(name: str) -> ObjectRef:
    """Return the reference of an app's Deployment."""
    return CHILD.resource.ref(name)
