"""The ContainerApp controller: what it owns, and the decisions that are peculiar to it. Pure.

Registered in `controllers`; called by the engine. A new child kind is one file in `children` and one line here.
"""

from __future__ import annotations

from containerapp.api.containerapp import ContainerApp
from containerapp.controllers.containerapp.children import (
    deployment,
    horizontal_pod_autoscaler,
    pod_disruption_budget,
    pod_monitor,
    service,
    service_account,
)
from containerapp.controllers.containerapp.definition import DEFINITION
from containerapp.controllers.containerapp.diagnosis import pod_problem
from containerapp.controllers.containerapp.events import transitions
from containerapp.controllers.containerapp.image import Pinned, Resolving, Unavailable, find_image
from containerapp.controllers.containerapp.inputs import Inputs
from containerapp.controllers.containerapp.rollout import Rollout
from containerapp.controllers.containerapp.status import compute_status
from containerapp.controllers.platform import check
from containerapp.core.model import APP_LABEL, Controller, Digests, Gathered, ObjectRef, View
from containerapp.core.policy import Platform
from containerapp.errors import InvalidSpec

OWNS = (
    service_account.CHILD,
    service.CHILD,
    deployment.CHILD,
    horizontal_pod_autoscaler.CHILD,
    pod_disruption_budget.CHILD,
    pod_monitor.CHILD,
)


def forbidden(app: ContainerApp, platform: Platform) -> InvalidSpec | None:
    """Return what to edit where the app asks for something that the platform forbids."""
    return check(app, platform.policy)


def gather(view: View, digests: Digests) -> Gathered:
    """Find the image; until it is pinned there is no Deployment to render."""
    image = find_image(view, digests)
    live = view.live.get(deployment.ref(view.key.name))
    inputs = Inputs(
        image=image,
        rollout=Rollout.of(live),
        service=view.live.get(service.CHILD.resource.ref(view.key.name)),
        deployment=live,
    )
    match image:
        case Pinned():
            return Gathered(inputs=inputs)
        case Resolving():
            return Gathered(inputs=inputs, complete=False, waits=True, error_shown=_shows_failure(view.obj))
        case Unavailable(error=error):
            return Gathered(inputs=inputs, complete=False, error=error)


def settled(view: View) -> bool:
    """Whether no Pod of an older version is left."""
    return Rollout.of(view.live.get(deployment.ref(view.key.name))).complete


def watched_pods(view: View) -> str | None:
    """Return the selector of the Pods, while Kubernetes has begun a rollout and not ended it."""
    live = view.live.get(deployment.ref(view.key.name))
    rollout = Rollout.of(live)
    if live is None or rollout.complete or not rollout.begun:
        return None
    return ",".join(f"{name}={value}" for name, value in live["spec"]["selector"]["matchLabels"].items())


def retained(app: ContainerApp) -> frozenset[ObjectRef]:
    """Return what the Pods need without its being rendered: the account that the user names.

    It may be the very one that was made for the app before.
    """
    name = app.spec.service_account_name
    return frozenset() if name is None else frozenset({service_account.CHILD.resource.ref(name)})


def _shows_failure(app: ContainerApp) -> bool:
    """Whether the status of this very generation says why the image has no digest."""
    conditions = {condition.type: condition.status for condition in app.status.conditions}
    current = app.status.observed_generation == app.metadata.generation
    return current and conditions.get("ImageResolved") == "False"


CONTAINER_APP = Controller(
    definition=DEFINITION,
    label=APP_LABEL,
    parse=ContainerApp.parse,
    forbidden=forbidden,
    owns=OWNS,
    gather=gather,
    settled=settled,
    watched_pods=watched_pods,
    explain=pod_problem,
    retained=retained,
    status=compute_status,
    events=transitions,
)
