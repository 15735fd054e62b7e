"""Deployment: keeps the desired number of Pods running and replaces them without losing a request.

It has the Pod template of the revision that is to run, and says in annotations which one that is and which reference
its digest was resolved from.
"""

from __future__ import annotations

from collections.abc import Iterator

from containerapp.api.containerapp import ContainerApp
from containerapp.controllers.containerapp.choice import min_ready_seconds
from containerapp.controllers.containerapp.inputs import Inputs
from containerapp.controllers.containerapp.revisions import REVISION, Revision
from containerapp.controllers.containerapp.rollout import MOVING, RESIZING
from containerapp.controllers.containerapp.scaling import first_replicas
from containerapp.controllers.pods.metadata import metadata, track_selector
from containerapp.controllers.workloads.images import others_noted
from containerapp.core.model import (
    DIGEST_ANNOTATION,
    IMAGE_ANNOTATION,
    INITIAL_REPLICAS_ANNOTATION,
    REFRESH_ANNOTATION,
    Child,
    Manifest,
    ObjectRef,
    Resource,
)

_REVISION_HISTORY = 10
_MAX_SURGE = "25%"
_MAX_UNAVAILABLE = 0


def render(app: ContainerApp, inputs: Inputs) -> Iterator[Manifest]:
    """Yield the app's Deployment with the template of the revision that is to run, as soon as there is one."""
    choice = inputs.choice
    if choice is None or choice.target is None or choice.template is None:
        return
    target, image = choice.target, choice.target.pin
    min_ready = _min_ready(app, inputs, target)
    yield {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata(app, image=image, annotations=_annotations(app, inputs, target)),
        "spec": {
            **_replicas(app, inputs),
            **({"paused": True} if _is_resizing(inputs) else {}),
            "revisionHistoryLimit": _REVISION_HISTORY,
            **({"minReadySeconds": min_ready} if min_ready else {}),
            "progressDeadlineSeconds": app.spec.deadline_seconds(),
            "selector": {"matchLabels": track_selector(app)},
            "strategy": _strategy(app),
            "template": choice.template,
        },
    }


def _is_resizing(inputs: Inputs) -> bool:
    return inputs.resize is not None and inputs.resize.under_way


def _replicas(app: ContainerApp, inputs: Inputs) -> Manifest:
    """Pods that should run: none while the app is suspended; the autoscaler's to say where there is one."""
    if app.spec.suspend:
        return {"replicas": 0}
    return {} if app.spec.autoscaling else {"replicas": max(app.spec.replicas, inputs.fewest_pods)}


def _min_ready(app: ContainerApp, inputs: Inputs, target: Revision) -> int:
    """Kubernetes refuses as many seconds as the deadline has."""
    seconds = inputs.held
    if seconds is None:
        seconds = min_ready_seconds(app, target, inputs.platform.min_ready_seconds)
    return min(seconds, app.spec.deadline_seconds() - 1)


def _strategy(app: ContainerApp) -> Manifest:
    rollout = app.spec.rollout
    if app.spec.recreates():
        return {"type": "Recreate"}
    unavailable = _MAX_UNAVAILABLE if rollout.max_unavailable is None else rollout.max_unavailable
    surge = _MAX_SURGE if rollout.max_surge is None else rollout.max_surge
    return {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxUnavailable": unavailable, "maxSurge": surge},
    }


def _annotations(app: ContainerApp, inputs: Inputs, target: Revision) -> dict[str, str]:
    scaled, image = app.spec.autoscaling is not None and not app.spec.suspend, target.pin
    first = first_replicas(app, keda=inputs.keda)
    return {
        REVISION: str(target.number),
        **({RESIZING: "true"} if _is_resizing(inputs) else {}),
        **({MOVING: inputs.move.note} if inputs.move is not None and inputs.move.note else {}),
        **({INITIAL_REPLICAS_ANNOTATION: str(first)} if scaled else {}),
        **inputs.references.annotations,
        IMAGE_ANNOTATION: image.reference,
        **({DIGEST_ANNOTATION: image.digest} if image.digest else {}),
        **({REFRESH_ANNOTATION: image.refresh} if image.refresh is not None else {}),
        **others_noted(image),
    }


CHILD = Child(
    resource=Resource(api_version="apps/v1", kind="Deployment", plural="deployments"),
    render=render,
    overridable=True,
)


def ref(name: str) -> ObjectRef:
    """Return the reference of an app's Deployment."""
    return CHILD.resource.ref(name)
