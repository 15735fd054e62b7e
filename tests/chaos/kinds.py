"""The kinds of children that the users' apps have, from the controllers themselves.

Which kinds there are is all that the checker takes from the operator: what each must look like it works out by itself.
Kinds that no user of the chaos asks for are left out; revisions have a check of their own, for they have other names.
"""

from __future__ import annotations

from containerapp.controllers import CONTROLLERS

_RESOURCES = {
    child.resource.kind: child.resource
    for controller in CONTROLLERS
    for child in controller.owns
    if not child.resource.optional
}
_NAMED = {
    "Deployment",
    "HorizontalPodAutoscaler",
    "NetworkPolicy",
    "PodDisruptionBudget",
    "Service",
    "ServiceAccount",
}
CHILDREN = tuple(sorted(_NAMED & set(_RESOURCES)))
"""Those that are named like their app."""
REVISION = "ControllerRevision"

PLURALS = tuple(_RESOURCES[kind].plural for kind in CHILDREN)
