"""The ContainerApp controller: what it owns, and the decisions that are peculiar to it. Pure.

Registered in `controllers`; called by the engine. A new child kind is one file in `children` and one line here.
"""

from __future__ import annotations

from dataclasses import replace

from containerapp.api.containerapp import ContainerApp
from containerapp.controllers.containerapp import before
from containerapp.controllers.containerapp.children import (
    before_job,
    controller_revision,
    deployment,
    grpc_route,
    horizontal_pod_autoscaler,
    http_route,
    ingress,
    network_policy,
    pod_disruption_budget,
    pod_monitor,
    scaled_object,
    service,
    target_group_configuration,
    trigger_authentication,
)
from containerapp.controllers.containerapp.choice import choose
from containerapp.controllers.containerapp.cluster_version import VERSION
from containerapp.controllers.containerapp.definition import DEFINITION
from containerapp.controllers.containerapp.events import transitions
from containerapp.controllers.containerapp.exposure.claims import claims
from containerapp.controllers.containerapp.exposure.condition import address_asks
from containerapp.controllers.containerapp.exposure.preflight import (
    asks_account,
    checked_route,
    refusal,
    standing_ingress,
)
from containerapp.controllers.containerapp.exposure.served import ASK_EVERY, held_seconds, question
from containerapp.controllers.containerapp.failure import examine
from containerapp.controllers.containerapp.inputs import Inputs
from containerapp.controllers.containerapp.moving import find_move, forbidden_budget
from containerapp.controllers.containerapp.placed import asks_profiles
from containerapp.controllers.containerapp.references import WATCHES, find_references
from containerapp.controllers.containerapp.resize import REACHES, with_resize
from containerapp.controllers.containerapp.revisions import REVISION, pods_label, running_number
from containerapp.controllers.containerapp.rollout import Rollout
from containerapp.controllers.containerapp.scaling import (
    SCALED_OBJECT,
    check_zero,
    forbidden_scaling,
    scaling_asks,
    zero_by_metrics,
)
from containerapp.controllers.containerapp.status import compute_status
from containerapp.controllers.containerapp.template import wanted_template
from containerapp.controllers.overrides import overridden_kinds, override_child, unknown_kind
from containerapp.controllers.platform import check
from containerapp.controllers.workloads.children import (
    config_map,
    external_secret,
    persistent_volume_claim,
    secret_provider_class,
    service_account,
)
from containerapp.controllers.workloads.identity import (
    EXTERNAL,
    Denied,
    Role,
    Waiting,
    facts_of,
    find_role,
)
from containerapp.controllers.workloads.identity import forbidden as forbidden_role
from containerapp.controllers.workloads.image import Resolving, Unavailable
from containerapp.controllers.workloads.images import find_images
from containerapp.controllers.workloads.secrets import find_secrets, kept
from containerapp.controllers.workloads.secrets_ready import secret_asks
from containerapp.core.model import (
    APP_LABEL,
    Controller,
    Digests,
    Gathered,
    Listing,
    Manifest,
    ObjectRef,
    View,
)
from containerapp.core.policy import Platform
from containerapp.core.targets import Question
from containerapp.errors import InvalidSpec

OWNS = (
    service_account.CHILD,
    network_policy.CHILD,
    service.CHILD,
    external_secret.CHILD,
    secret_provider_class.CHILD,
    config_map.CHILD,
    persistent_volume_claim.CHILD,
    controller_revision.CHILD,
    before_job.CHILD,
    target_group_configuration.CHILD,
    ingress.CHILD,
    http_route.CHILD,
    grpc_route.CHILD,
    pod_disruption_budget.CHILD,
    deployment.CHILD,
    horizontal_pod_autoscaler.CHILD,
    trigger_authentication.CHILD,
    scaled_object.CHILD,
    pod_monitor.CHILD,
)

_OVERRIDABLE = tuple(child.resource.kind for child in OWNS if child.overridable)


def forbidden(app: ContainerApp, platform: Platform) -> InvalidSpec | None:
    """Return what to edit where the app asks for something that the platform forbids, or overrides no kind."""
    return (
        check(app, platform.policy)
        or forbidden_role(app, platform)
        or forbidden_scaling(app, platform)
        or forbidden_budget(app, platform)
        or unknown_kind(app, _OVERRIDABLE)
    )


def adapt(app: ContainerApp, inputs: Inputs, manifest: Manifest) -> Manifest:
    """Return a child with the app's overrides of its kind."""
    return override_child(app, inputs.platform.policy, manifest)


def gather(view: View, digests: Digests) -> Gathered:
    """Find the image, the secrets and the role; until all are there, there is no Deployment to render."""
    check_zero(view)
    image, role, secrets = find_images(view, digests), find_role(view), find_secrets(view)
    live = view.live.get(deployment.ref(view.key.name))
    references = find_references(view, live)
    inputs = Inputs(
        image=image,
        platform=view.platform,
        route=checked_route(view),
        keda=SCALED_OBJECT not in view.absent,
        rollout=Rollout.of(live),
        service=view.live.get(service.CHILD.resource.ref(view.key.name)),
        deployment=live,
        facts={**secrets.facts, **facts_of(role), **references.facts},
        secrets=secrets,
        role=role,
        references=references,
        claims=view.named(persistent_volume_claim.CHILD.resource),
        config_maps=frozenset(view.named(config_map.CHILD.resource)),
    )
    chosen = choose(view.obj, inputs, view, wanted_template(view.obj, inputs))
    choice, resize = with_resize(chosen, view, live)
    move = find_move(view, live, inputs.route)
    asks_targets = question(view, inputs.route) is not None
    found = Gathered(
        inputs=replace(
            inputs,
            choice=choice,
            resize=resize,
            move=move,
            kept=_kept(view) if choice.may_roll_back else frozenset(),
            held=None if resize.under_way else held_seconds(view, inputs, choice),
        ),
        complete=choice.decided,
        load=choice.load,
        queries=(*resize.queries, *move.queries, *([VERSION] if zero_by_metrics(view.obj) else [])),
        patches=(*resize.patches, *move.patches),
        outdated=choice.outdated,
        again_after=_soonest(resize.again_after, move.again_after, ASK_EVERY if asks_targets else None),
    )
    return found if choice.target is not None else _with_role(_with_image(view, found), role)


def _kept(view: View) -> frozenset[ObjectRef]:
    """Return what the Pods of an earlier revision may need to start again, as far as it lives."""
    kinds = (service_account.CHILD.resource, persistent_volume_claim.CHILD.resource)
    return frozenset(resource.ref(name) for resource in kinds for name in view.named(resource))


def _soonest(*seconds: float | None) -> float | None:
    return min((each for each in seconds if each is not None), default=None)


def _with_image(view: View, found: Gathered) -> Gathered:
    match found.inputs.image:
        case Resolving():
            return replace(found, waits=True, error_shown=_shows_failure(view.obj))
        case Unavailable(error=error):
            return replace(found, error=error)
        case _:
            return found


def _with_role(found: Gathered, role: Role | None) -> Gathered:
    """Pods get their role as they are created: until it is there, what runs stays as it is."""
    match role:
        case Waiting():
            return replace(found, waits=found.error is None)
        case Denied(error=error):
            return replace(found, waits=False, error=found.error or error)
        case _:
            return found


def settled(view: View, inputs: Inputs) -> bool:
    """Whether no Pod of another version than the wanted one is left."""
    live, choice = view.live.get(deployment.ref(view.key.name)), inputs.choice
    wanted = choice.wanted if choice else None
    return wanted is not None and running_number(live) == wanted.number and Rollout.of(live).complete


def listing(view: View) -> Listing | None:
    """Ask the Pods of a before-job, or of the revision that Kubernetes rolls out."""
    live = view.live.get(deployment.ref(view.key.name))
    if (job := before.unfinished(view.live.values(), running_number(live))) is not None:
        return Listing(selector=f"{before.BEFORE_LABEL}={job}", examine=examine)
    rollout = Rollout.of(live)
    if live is None or rollout.complete or not rollout.begun:
        return None
    labels = {**live["spec"]["selector"]["matchLabels"], REVISION: pods_label(live)}
    selector = ",".join(f"{name}={value}" for name, value in labels.items())
    return Listing(selector=selector, examine=examine)


def asks_targets(view: View) -> Question | None:
    """Return which Pods' targets have to be known."""
    if not view.platform.expose.await_targets:
        return None
    moves = Rollout.of(view.live.get(deployment.ref(view.key.name))).moving
    return question(view, checked_route(view), moves=moves)


def asks(view: View, inputs: Inputs) -> tuple[ObjectRef, ...]:
    """Return the children whose controllers say by Events alone what is wrong."""
    return (*address_asks(view, inputs.route), *secret_asks(view), *scaling_asks(view))


def retained(app: ContainerApp, inputs: Inputs) -> frozenset[ObjectRef]:
    """Return what is not rendered and stays: the user's account, files and secrets of revisions, the last before-jobs.

    The account may be the very one that was made for the app before. Each revision on record may run again.
    """
    name, revisions = app.spec.service_account_name, inputs.choice.revisions if inputs.choice else ()
    accounts = [] if name is None else [service_account.CHILD.resource.ref(name)]
    files = [config_map.CHILD.resource.ref(revision.files) for revision in revisions if revision.files]
    secrets = kept({secret for revision in revisions for secret in revision.secrets})
    standing = standing_ingress(app, inputs.route)
    return frozenset(
        [
            *accounts,
            *before.kept(app, revisions),
            *files,
            *secrets,
            *([standing] if standing else []),
            *inputs.kept,
        ]
    )


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
    listing=listing,
    retained=retained,
    status=compute_status,
    events=transitions,
    external=(EXTERNAL,),
    adapt=adapt,
    overridden=overridden_kinds,
    asks=asks,
    targets=asks_targets,
    account=lambda view: asks_account(view) | asks_profiles(view),
    claims=claims,
    state=refusal,
    watches=WATCHES,
    reaches=REACHES,
    leaves=True,
)
