"""Rendering: an app and its inputs in, the manifests of its children out. Pure.

`CHILDREN` is the one table of child kinds, in the order in which they are written: reflectors, the owner index,
pruning and the chart's RBAC derive from it. A new kind is one new file and one line here.
"""

from __future__ import annotations

from containerapp.api.containerapp import ContainerApp
from containerapp.controllers.containerapp.children import deployment, service, service_account
from containerapp.controllers.pods.metadata import selector
from containerapp.core.model import Child, Inputs, Manifest, ObjectRef

__all__ = ["CHILDREN", "needed", "render", "selector"]

CHILDREN: tuple[Child, ...] = (
    service_account.CHILD,
    service.CHILD,
    deployment.CHILD,
)


def render(app: ContainerApp, inputs: Inputs) -> tuple[Manifest, ...]:
    """Return the manifests of all children that `app` wants."""
    return tuple(manifest for child in CHILDREN for manifest in child.render(app, inputs))


def needed(app: ContainerApp) -> frozenset[ObjectRef]:
    """Return what the app's Pods need without its being rendered: the account that the user names.

    It may be the very one that was made for the app before.
    """
    name = app.spec.service_account_name
    if name is None:
        return frozenset()
    return frozenset({ObjectRef(api_version="v1", kind="ServiceAccount", name=name)})
