"""The status that an app deserves: an ordered list of small checks over what was done and what lives. Pure.

Called once at the end of every reconcile. A failure that needs an edit, or an act of another team, is `Stalled`;
`Ready` needs every child that was asked for. It never repeats the spec.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from containerapp.api.containerapp import ContainerApp
from containerapp.controllers.containerapp.choice import Choice
from containerapp.controllers.containerapp.exposure.condition import exposed, url
from containerapp.controllers.containerapp.facts import Facts
from containerapp.controllers.containerapp.moving import moving
from containerapp.controllers.containerapp.overridden import overridden
from containerapp.controllers.containerapp.placed import placed
from containerapp.controllers.containerapp.revisions import running_number
from containerapp.controllers.containerapp.rolled_out import failure, history, progress, rolled_out
from containerapp.controllers.containerapp.rollout import Rollout
from containerapp.controllers.containerapp.scaling import autoscaled, by_keda
from containerapp.controllers.pods.metadata import track_selector
from containerapp.controllers.workloads.concerns import Concern
from containerapp.controllers.workloads.identity import identity_ready, status_of
from containerapp.controllers.workloads.image import Resolving, Unavailable
from containerapp.controllers.workloads.image_resolved import image_resolved, image_status
from containerapp.controllers.workloads.plain_text import plain_text
from containerapp.controllers.workloads.secrets_ready import secrets_ready
from containerapp.controllers.workloads.storage import volumes_ready
from containerapp.core.conditions import Condition, dated, optional_kinds
from containerapp.core.model import Manifest, ObjectRef, Outcome, View
from containerapp.errors import Blocked, ContainerAppError, InvalidSpec, Transient

CONCERNS: tuple[Callable[[Facts], Iterator[Concern]], ...] = (
    exposed,
    secrets_ready,
    identity_ready,
    volumes_ready,
    autoscaled,
    plain_text,
    placed,
    moving,
    overridden,
)
"""The groups of fields that have a condition of their own, in the order in which the status lists them."""


def compute_status(view: View, outcome: Outcome, now: str) -> Manifest:
    """Return the whole status of the app; `now` (RFC 3339) dates the conditions that change with it."""
    app: ContainerApp = view.obj
    name = app.metadata.name
    deployment = ObjectRef(api_version="apps/v1", kind="Deployment", name=name)
    facts = Facts(
        app=app,
        image=outcome.gathered.inputs.image,
        choice=outcome.gathered.inputs.choice or Choice(),
        outcome=outcome,
        rollout=Rollout.of(view.live.get(deployment)),
        service=view.live.get(ObjectRef(api_version="v1", kind="Service", name=name)),
        view=view,
    )
    conditions = [*_check(facts), *optional_kinds(outcome.optional, view.absent)]
    old = app.status.model_dump(by_alias=True, mode="json")
    status = {
        "observedGeneration": app.metadata.generation,
        "conditions": dated(conditions, old, app.metadata.generation, now),
        "image": image_status(facts),
        "identity": status_of(app, outcome.gathered.inputs.role),
        "currentRevision": running_number(view.live.get(deployment)),
        "lastGoodRevision": facts.choice.last_good,
        "revisions": history(facts),
        "replicas": facts.rollout.total,
        "updatedReplicas": facts.rollout.updated,
        "readyReplicas": facts.rollout.ready,
        "selector": ",".join(f"{key}={value}" for key, value in track_selector(app).items()),
        "url": url(facts),
        "resources": [
            {"apiVersion": ref.api_version, "kind": ref.kind, "name": ref.name} for ref in outcome.resources
        ],
    }
    return {key: value for key, value in status.items() if value is not None}


def _check(facts: Facts) -> Iterator[Condition]:
    parts = (image_resolved(facts), _available(facts), rolled_out(facts))
    concerns = [concern for check in CONCERNS for concern in check(facts)]
    yield from _summary(facts, concerns)
    yield from parts
    yield from (concern.condition for concern in concerns)


def _summary(facts: Facts, concerns: Iterable[Concern]) -> Iterator[Condition]:
    """Ready, and Reconciling or Stalled where it is not.

    After a rollback both hold: what runs is Ready, what is asked for is Stalled.
    """
    failed = failure(facts)
    obstacle = _first(_obstacle(facts), next((each for each in concerns if each.obstacle), None))
    if failed is not None and not (obstacle is None and facts.choice.rolled_back):
        obstacle = failed if obstacle is None or isinstance(obstacle, Transient) else obstacle
    if obstacle is not None:
        yield Condition(type="Ready", status="False", reason=obstacle.reason, message=obstacle.message)
        kind = "Stalled" if isinstance(obstacle, InvalidSpec | Blocked) else "Reconciling"
        yield Condition(type=kind, status="True", reason=obstacle.reason, message=obstacle.message)
    elif failed is not None:
        runs = f"{_achieved(facts)} {failed.message}"
        yield Condition(type="Ready", status="True", reason=failed.reason, message=runs)
        yield Condition(type="Stalled", status="True", reason=failed.reason, message=failed.message)
    elif isinstance(facts.image, Resolving) and facts.choice.wanted is None:
        waiting = f"Waiting for the registry to resolve {facts.image.image or facts.app.spec.image}."
        yield Condition(type="Ready", status="Unknown", reason="ResolvingImage", message=waiting)
        yield Condition(type="Reconciling", status="True", reason="ResolvingImage", message=waiting)
    else:
        reason = "Suspended" if facts.app.spec.suspend else "Running"
        yield Condition(type="Ready", status="True", reason=reason, message=_achieved(facts))


def _first(own: ContainerAppError | None, concern: Concern | None) -> ContainerAppError | None:
    """Return what to name: a rollout that goes on, or cannot begin, is explained by what a group of fields lacks."""
    if concern is None:
        return own
    explains = own is not None and own.reason == "RollingOut" and not concern.after_rollout
    return concern.obstacle if own is None or explains else own


def _obstacle(facts: Facts) -> ContainerAppError | None:
    """Return the first thing that keeps this generation from being Ready, if any."""
    outcome, rollout = facts.outcome, facts.rollout
    if outcome.error is not None:
        return outcome.error
    if isinstance(facts.image, Unavailable) and facts.choice.wanted is None:
        return facts.image.error
    if isinstance(facts.image, Resolving) and facts.choice.wanted is None:
        return None
    if outcome.terminating:
        names = ", ".join(map(str, outcome.terminating))
        return Transient("PredecessorTerminating", f"Waiting until the former {names} is deleted.")
    if rollout.paused and not rollout.resizing:
        name = facts.app.metadata.name
        return Blocked(
            "DeploymentPaused",
            f"The Deployment {name} is paused: kubectl rollout resume deployment/{name} "
            f"-n {facts.app.metadata.namespace}",
        )
    return progress(facts)


def _achieved(facts: Facts) -> str:
    pods, version = facts.rollout.desired, "an earlier" if facts.choice.rolled_back else "the wanted"
    match pods:
        case _ if facts.app.spec.suspend:
            return "Suspended: no Pod runs. Set spec.suspend to false to start again."
        case 0 if facts.app.spec.autoscaling is not None:
            asks = "triggers" if by_keda(facts.app) else "metrics"
            return f"No Pod is wanted: the {asks} of spec.autoscaling have nothing to do."
        case 0:
            return "No Pod is wanted: spec.replicas is 0."
        case 1:
            return f"The Pod runs {version} version and is available."
        case _:
            return f"All {pods} Pods run {version} version and are available."


def _available(facts: Facts) -> Condition:
    rollout = facts.rollout
    message = f"{rollout.available} of {rollout.desired} Pods are available."
    if rollout.available > 0 or (rollout.exists and rollout.desired == 0):
        return Condition(type="Available", status="True", reason="PodsAvailable", message=message)
    return Condition(type="Available", status="False", reason="NoPodAvailable", message=message)
