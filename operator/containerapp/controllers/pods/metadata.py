"""Names, labels, selectors and metadata of every child: computed here and nowhere else.

Called by the files of the child kinds. Kubernetes lets the selector of a Deployment never change, so selectors must
depend on nothing but the app's name, and must choose no Pods of another kind (docs/decisions/0014-labels.md).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from containerapp.api.containerapp import ContainerApp
from containerapp.api.schema import API_VERSION
from containerapp.controllers.pods.workload import OWNER_LABELS, Workload
from containerapp.core.model import (
    APP_LABEL,
    DIGEST_ANNOTATION,
    IMAGE_ANNOTATION,
    MANAGED_BY_LABEL,
    MANAGER,
    NAME_LABEL,
    REFRESH_ANNOTATION,
    STABLE,
    TRACK_LABEL,
    VERSION_LABEL,
    Manifest,
    PinnedImage,
)

_LABEL_VALUE = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
"""A tag may be longer, and begin or end otherwise."""


def app_selector(app: ContainerApp) -> dict[str, str]:
    """Labels that choose the app's Pods, whichever of its Deployments runs them."""
    return {APP_LABEL: app.metadata.name}


def track_selector(app: ContainerApp) -> dict[str, str]:
    """Labels that choose the Pods of the app's one Deployment."""
    return {APP_LABEL: app.metadata.name, TRACK_LABEL: STABLE}


def metadata(
    app: Workload, *, image: PinnedImage | None = None, annotations: Mapping[str, str] | None = None
) -> Manifest:
    """Metadata of a child that is named like its app, owned and labelled by it."""
    base = {
        "name": app.metadata.name,
        "namespace": app.metadata.namespace,
        "labels": {**app.spec.labels, **labels(app, image)},
        "ownerReferences": [owner_reference(app)],
    }
    return base | ({"annotations": dict(annotations)} if annotations else {})


def labels(app: Workload, image: PinnedImage | None = None) -> dict[str, str]:
    """Our own label and the recommended ones; with the version for what changes with every release anyway.

    No `instance`: Argo CD may track its own resources by it.
    """
    tag = image.tag if image else None
    return {
        OWNER_LABELS[app.kind]: app.metadata.name,
        NAME_LABEL: app.metadata.name,
        MANAGED_BY_LABEL: MANAGER,
        **({VERSION_LABEL: tag} if tag and _LABEL_VALUE.fullmatch(tag) else {}),
    }


def image_annotations(image: PinnedImage) -> dict[str, str]:
    """Return which reference the digest that runs was resolved from, and which refresh it answers."""
    return {
        IMAGE_ANNOTATION: image.reference,
        **({DIGEST_ANNOTATION: image.digest} if image.digest else {}),
        **({REFRESH_ANNOTATION: image.refresh} if image.refresh is not None else {}),
    }


def owner_reference(app: Workload) -> Manifest:
    """Reference by which the garbage collector removes a child together with its app."""
    return {
        "apiVersion": API_VERSION,
        "kind": app.kind,
        "name": app.metadata.name,
        "uid": app.metadata.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }


def service_account_name(app: Workload) -> str:
    """Return the account that the Pods run as: the user's own, or one named like the app."""
    return app.spec.service_account_name or app.metadata.name
