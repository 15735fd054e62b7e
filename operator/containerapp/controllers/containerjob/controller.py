"""The ContainerJob controller: what it owns, and the decisions that are peculiar to it. Pure.

Registered in `controllers`; called by the engine. A new child kind is one file in `children` and one line here.
"""

from __future__ import annotations

from dataclasses import replace

from containerapp.api.containerjob import ContainerJob
from containerapp.controllers.containerjob import dependencies, queue
from containerapp.controllers.containerjob.children import cron_job, job
from containerapp.controllers.containerjob.choice import choose
from containerapp.controllers.containerjob.definition import DEFINITION
from containerapp.controllers.containerjob.events import transitions
from containerapp.controllers.containerjob.failure import examine
from containerapp.controllers.containerjob.inputs import JobInputs
from containerapp.controllers.containerjob.runs import read_all
from containerapp.controllers.containerjob.status import compute_status
from containerapp.controllers.platform import check
from containerapp.controllers.workloads.children import (
    config_map,
    external_secret,
    persistent_volume_claim,
    secret_provider_class,
    service_account,
)
from containerapp.controllers.workloads.identity import EXTERNAL, Denied, Waiting, facts_of, find_role
from containerapp.controllers.workloads.identity import forbidden as forbidden_role
from containerapp.controllers.workloads.image import Resolving, Unavailable
from containerapp.controllers.workloads.images import find_images
from containerapp.controllers.workloads.secrets import find_secrets
from containerapp.core.model import JOB_LABEL, Controller, Digests, Gathered, Listing, ObjectRef, View
from containerapp.core.policy import Platform
from containerapp.errors import InvalidSpec

OWNS = (
    service_account.CHILD,
    external_secret.CHILD,
    secret_provider_class.CHILD,
    config_map.CHILD,
    persistent_volume_claim.CHILD,
    job.CHILD,
    cron_job.CHILD,
)
_JOB_NAME = "batch.kubernetes.io/job-name"


def forbidden(job: ContainerJob, platform: Platform) -> InvalidSpec | None:
    """Return what to edit where the job asks for what the platform forbids, or for an unknown parameter."""
    if (name := job.spec.unknown_parameter()) is not None:
        message = (
            f"Ref::{name} names a parameter that is not in spec.parameters: add it there, with its default"
        )
        return InvalidSpec("InvalidSpec", message)
    return check(job, platform.policy) or forbidden_role(job, platform)


def gather(view: View, digests: Digests) -> Gathered:
    """Find the image, the secrets and the role; until all are there, nothing starts."""
    role, secrets = find_role(view), find_secrets(view)
    inputs = JobInputs(
        image=find_images(view, digests),
        platform=view.platform,
        facts={**secrets.facts, **facts_of(role)},
        secrets=secrets,
        role=role,
        runs=read_all(view),
        claims=view.named(persistent_volume_claim.CHILD.resource),
        config_maps=frozenset(view.named(config_map.CHILD.resource)),
        jobs=view.named(job.CHILD.resource),
    )
    after = dependencies.find(view.obj, view)
    hindrance = queue.hindrance(view.obj, view)
    choice = choose(
        view.obj,
        inputs.ready_pin,
        inputs.runs,
        view.now,
        replace(after, obstacle=hindrance or after.obstacle),
    )
    found = Gathered(
        inputs=replace(inputs, choice=choice, hindrance=hindrance),
        complete=inputs.ready_pin is not None,
        again_after=choice.again_after,
    )
    match inputs.image, role:
        case Unavailable(error=error), _:
            return replace(found, error=error)
        case _, Denied(error=error):
            return replace(found, error=error)
        case (Resolving(), _) | (_, Waiting()):
            return replace(found, waits=True)
        case _:
            return found


def settled(_view: View, inputs: JobInputs) -> bool:
    """Whether no run goes on that may need what the spec no longer has."""
    return all(run.outcome for run in inputs.runs)


def listing(view: View) -> Listing | None:
    """Ask the Pods of the newest run, while it goes on, or until it is known why it has failed; or why it waits."""
    runs = read_all(view)
    if not runs or runs[-1].outcome == "Complete":
        return None
    newest = runs[-1]
    if newest.queue:
        selector = queue.workload_selector(newest.uid)
        return Listing(selector=selector, examine=queue.examine_workloads, resource=queue.WORKLOADS)
    if not newest.outcome:
        return Listing(selector=f"{_JOB_NAME}={newest.name}", examine=examine)
    known = view.obj.status.last_failure
    if known is not None and known.run == newest.name:
        return None
    selector = f"{JOB_LABEL}={view.key.name},{_JOB_NAME}={newest.name}"
    return Listing(selector=selector, examine=examine)


def retained(job: ContainerJob, inputs: JobInputs) -> frozenset[ObjectRef]:
    """Return what is not rendered and stays: the runs that live, and the account that the user names."""
    name = job.spec.service_account_name
    accounts = [] if name is None else [service_account.CHILD.resource.ref(name)]
    return frozenset([*accounts, *inputs.choice.keep])


CONTAINER_JOB = Controller(
    definition=DEFINITION,
    label=JOB_LABEL,
    parse=ContainerJob.parse,
    forbidden=forbidden,
    owns=OWNS,
    gather=gather,
    settled=settled,
    listing=listing,
    retained=retained,
    status=compute_status,
    events=transitions,
    external=(EXTERNAL,),
    claims=dependencies.claims,
    follows=dependencies.follows,
    state=dependencies.state,
    watches=queue.WATCHES,
    lists=(queue.WORKLOADS,),
)
