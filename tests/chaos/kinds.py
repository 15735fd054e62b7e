"""The kinds of children that a ContainerApp can have, from the controllers themselves.

Which kinds there are is all that the checker takes from the operator: what each must look like it works out by itself.
"""

from __future__ import annotations

from containerapp.controllers import CONTROLLERS

_RESOURCES = {
    child.resource.kind: child.resource
    for controller in CONTROLLERS
    for child in controller.owns
    if not child.resource.optional
}
CHILDREN = tuple(sorted(_RESOURCES))
"""All of them whose definitions every cluster has."""

PLURALS = tuple(_RESOURCES[kind].plural for kind in CHILDREN)
