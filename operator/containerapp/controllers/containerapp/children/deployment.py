"""Deployment: keeps the desired number of Pods running and replaces them without losing a request.

The image always runs by digest; the reference it was resolved from stays readable in annotations here, on the
Deployment alone, since that is the one child which changes with every release anyway.
"""

from __future__ import annotations

from collections.abc import Iterator

from containerapp.api.containerapp import ContainerApp
from containerapp.controllers.pods.metadata import metadata, selector
from containerapp.controllers.pods.template import pod_template
from containerapp.core.model import (
    DIGEST_ANNOTATION,
    IMAGE_ANNOTATION,
    REFRESH_ANNOTATION,
    Child,
    Inputs,
    Manifest,
    PinnedImage,
    Resource,
)

_REVISION_HISTORY = 10
_PROGRESS_DEADLINE_SECONDS = 600


def render(app: ContainerApp, inputs: Inputs) -> Iterator[Manifest]:
    """Yield the app's Deployment as soon as its image is pinned to a digest."""
    if inputs.image is None:
        return
    yield {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata(app, image=inputs.image, annotations=_annotations(inputs.image)),
        "spec": {
            "replicas": desired_replicas(app),
            "revisionHistoryLimit": _REVISION_HISTORY,
            "progressDeadlineSeconds": _PROGRESS_DEADLINE_SECONDS,
            "selector": {"matchLabels": selector(app)},
            "strategy": {
                "type": "RollingUpdate",
                "rollingUpdate": {"maxUnavailable": 0, "maxSurge": "25%"},
            },
            "template": pod_template(app, inputs.image),
        },
    }


def desired_replicas(app: ContainerApp) -> int:
    """Pods that should run: none while the app is suspended."""
    return 0 if app.spec.suspend else app.spec.replicas


def _annotations(image: PinnedImage) -> dict[str, str]:
    return {
        IMAGE_ANNOTATION: image.reference,
        DIGEST_ANNOTATION: image.digest,
        **({REFRESH_ANNOTATION: image.refresh} if image.refresh is not None else {}),
    }


CHILD = Child(
    resource=Resource(api_version="apps/v1", kind="Deployment", plural="deployments"), render=render
)
