"""The status that an app deserves: an ordered list of small checks over what was done and what lives. Pure.

Called once at the end of every reconcile. A failure that needs an edit, or an act of another team, is `Stalled`;
`Ready` needs every child that was asked for. It never repeats the spec.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from containerapp.api.containerapp import ContainerApp
from containerapp.controllers.containerapp.diagnosis import refusal
from containerapp.controllers.containerapp.image import Image, Pinned, Resolving, Unavailable
from containerapp.controllers.containerapp.rollout import Rollout
from containerapp.controllers.pods.metadata import track_selector
from containerapp.core.conditions import Condition, dated, optional_kinds
from containerapp.core.model import REFRESH_ANNOTATION, Manifest, ObjectRef, Outcome, View
from containerapp.errors import Blocked, ContainerAppError, InvalidSpec, Transient

_ADDRESS_BOUND = timedelta(minutes=10)
"""How long a load balancer may take to have an address; an NLB takes three to five minutes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the checks look at."""

    app: ContainerApp
    image: Image
    outcome: Outcome
    rollout: Rollout
    service: Manifest | None
    now: datetime


def compute_status(view: View, outcome: Outcome, now: str) -> Manifest:
    """Return the whole status of the app; `now` (RFC 3339) dates the conditions that change with it."""
    app: ContainerApp = view.obj
    name = app.metadata.name
    facts = Facts(
        app=app,
        image=outcome.gathered.inputs.image,
        outcome=outcome,
        rollout=Rollout.of(view.live.get(ObjectRef(api_version="apps/v1", kind="Deployment", name=name))),
        service=view.live.get(ObjectRef(api_version="v1", kind="Service", name=name)),
        now=view.now,
    )
    conditions = [*_check(facts), *optional_kinds(outcome.optional, view.absent)]
    old = app.status.model_dump(by_alias=True, mode="json")
    status = {
        "observedGeneration": app.metadata.generation,
        "conditions": dated(conditions, old, app.metadata.generation, now),
        "image": _image_status(facts),
        "replicas": facts.rollout.total,
        "updatedReplicas": facts.rollout.updated,
        "readyReplicas": facts.rollout.ready,
        "selector": ",".join(f"{key}={value}" for key, value in track_selector(app).items()),
        "url": _url(app, facts.service),
        "resources": [
            {"apiVersion": ref.api_version, "kind": ref.kind, "name": ref.name} for ref in outcome.resources
        ],
    }
    return {key: value for key, value in status.items() if value is not None}


def _check(facts: Facts) -> Iterator[Condition]:
    parts = (_image_resolved(facts), _available(facts), _rolled_out(facts))
    yield from _summary(facts)
    yield from parts


def _summary(facts: Facts) -> Iterator[Condition]:
    """Ready, and Reconciling or Stalled where it is not."""
    obstacle = _obstacle(facts)
    if obstacle is not None:
        yield Condition(type="Ready", status="False", reason=obstacle.reason, message=obstacle.message)
        kind = "Stalled" if isinstance(obstacle, InvalidSpec | Blocked) else "Reconciling"
        yield Condition(type=kind, status="True", reason=obstacle.reason, message=obstacle.message)
    elif isinstance(facts.image, Resolving):
        waiting = f"Waiting for the registry to resolve {facts.app.spec.image}."
        yield Condition(type="Ready", status="Unknown", reason="ResolvingImage", message=waiting)
        yield Condition(type="Reconciling", status="True", reason="ResolvingImage", message=waiting)
    elif facts.app.spec.suspend:
        message = "Suspended: no Pod runs. Set spec.suspend to false to start again."
        yield Condition(type="Ready", status="True", reason="Suspended", message=message)
    else:
        yield Condition(
            type="Ready", status="True", reason="Running", message=_achieved(facts.rollout.desired)
        )


def _obstacle(facts: Facts) -> ContainerAppError | None:
    """Return the first thing that keeps this generation from being Ready, if any."""
    outcome, rollout = facts.outcome, facts.rollout
    if outcome.error is not None:
        return outcome.error
    if isinstance(facts.image, Unavailable):
        return facts.image.error
    if isinstance(facts.image, Resolving):
        return None
    if outcome.terminating:
        names = ", ".join(map(str, outcome.terminating))
        return Transient("PredecessorTerminating", f"Waiting until the former {names} is deleted.")
    if rollout.paused:
        name = facts.app.metadata.name
        return Blocked(
            "DeploymentPaused",
            f"The Deployment {name} is paused: kubectl rollout resume deployment/{name} "
            f"-n {facts.app.metadata.namespace}",
        )
    if not rollout.complete:
        kind = Blocked if rollout.deadline_exceeded else Transient
        reason = "ProgressDeadlineExceeded" if rollout.deadline_exceeded else "RollingOut"
        return kind(reason, _progress(facts))
    return _without_address(facts)


def _without_address(facts: Facts) -> ContainerAppError | None:
    """Return what is wrong with a load balancer that has no address: nothing for some minutes."""
    service = facts.service
    if service is None or service["spec"].get("type") != "LoadBalancer" or _addresses(service):
        return None
    name = service["metadata"]["name"]
    created = datetime.fromisoformat(service["metadata"]["creationTimestamp"])
    message = f"The load balancer of Service {name} has no address yet."
    if facts.now - created < _ADDRESS_BOUND:
        return Transient("WaitingForLoadBalancer", message)
    remedy = f"See kubectl describe service {name} -n {facts.app.metadata.namespace}, and check that the cluster has "
    return Blocked("LoadBalancerPending", f"{message} {remedy}a controller for such Services.")


def _achieved(pods: int) -> str:
    match pods:
        case 0:
            return "No Pod is wanted: spec.replicas is 0."
        case 1:
            return "The Pod runs the wanted version and is available."
        case _:
            return f"All {pods} Pods run the wanted version and are available."


def _image_resolved(facts: Facts) -> Condition:
    match facts.image:
        case Unavailable(error=error):
            return Condition(type="ImageResolved", status="False", reason=error.reason, message=error.message)
        case Resolving():
            message = f"Asking the registry where {facts.app.spec.image} points."
            return Condition(type="ImageResolved", status="Unknown", reason="Resolving", message=message)
        case Pinned() as image:
            return _unchanged(facts.app, image) or _pinned(facts.app, image)


def _pinned(app: ContainerApp, image: Pinned) -> Condition:
    pin = image.pin
    if not pin.digest:
        message = f"{pin.reference} runs by its tag: no registry is asked which image that is."
        return Condition(type="ImageResolved", status="True", reason="ByTag", message=message)
    if image.running_gone:
        message = (
            f"The registry does not have {pin.digest} any more, which runs as {pin.reference}: a Pod on another node "
            f"cannot start. To take what the tag points to now: kubectl annotate containerapp {app.metadata.name} "
            f"-n {app.metadata.namespace} {REFRESH_ANNOTATION}=$(date +%s) --overwrite"
        )
        return Condition(type="ImageResolved", status="True", reason="DigestGone", message=message)
    if image.latest_digest is not None:
        message = (
            f"{pin.reference} now points to {image.latest_digest}, but {pin.digest} keeps running. "
            f"To take the new one: kubectl annotate containerapp {app.metadata.name} "
            f"-n {app.metadata.namespace} {REFRESH_ANNOTATION}=$(date +%s) --overwrite"
        )
        return Condition(type="ImageResolved", status="True", reason="TagMoved", message=message)
    message = f"{pin.reference} is {pin.digest}."
    if image.news_error is not None:
        message += f" Whether the tag has moved since is not known: {image.news_error.message}"
    return Condition(type="ImageResolved", status="True", reason="Resolved", message=message)


def _unchanged(app: ContainerApp, image: Pinned) -> Condition | None:
    """Return what the status says of the same digest, which holds until a registry has been asked."""
    status, old = (
        app.status.image,
        next((c for c in app.status.conditions if c.type == "ImageResolved"), None),
    )
    if image.asked or old is None or old.status != "True" or status is None:
        return None
    if status.digest != image.pin.digest:
        return None
    return Condition(type=old.type, status=old.status, reason=old.reason, message=old.message)


def _available(facts: Facts) -> Condition:
    rollout = facts.rollout
    message = f"{rollout.available} of {rollout.desired} Pods are available."
    if rollout.available > 0 or (rollout.exists and rollout.desired == 0):
        return Condition(type="Available", status="True", reason="PodsAvailable", message=message)
    return Condition(type="Available", status="False", reason="NoPodAvailable", message=message)


def _rolled_out(facts: Facts) -> Condition:
    if facts.rollout.complete:
        message = "Every Pod runs the newest template."
        return Condition(type="RolledOut", status="True", reason="RolloutComplete", message=message)
    reason = "ProgressDeadlineExceeded" if facts.rollout.deadline_exceeded else "RollingOut"
    return Condition(type="RolledOut", status="False", reason=reason, message=_progress(facts))


def _progress(facts: Facts) -> str:
    """Say what is waited for, and what a Pod complains of where that is known."""
    rollout = facts.rollout
    if not rollout.exists:
        return "Waiting for the Deployment."
    if not rollout.observed:
        return "Waiting for the Deployment controller to see the change."
    trouble = facts.outcome.pod_problem or (refusal(rollout.failure) if rollout.failure else None)
    detail = f" {trouble}" if trouble else ""
    if rollout.updated < rollout.desired or rollout.available < rollout.desired:
        available = min(rollout.available, rollout.updated)
        return f"Waiting for Pods of the new version: {available} of {rollout.desired} are available.{detail}"
    if rollout.updated > rollout.desired:
        return f"Waiting for {_pods(rollout.updated - rollout.desired)} more than wanted to end.{detail}"
    return f"Waiting for {_pods(rollout.total - rollout.updated)} of the old version to end.{detail}"


def _pods(count: int) -> str:
    return "1 Pod" if count == 1 else f"{count} Pods"


def _image_status(facts: Facts) -> Manifest:
    """Describe the digest that runs: the one that is pinned now, or what the status already has."""
    pin, app = facts.image.pin, facts.app
    if pin is None:
        known = app.status.image
        return known.model_dump(by_alias=True, exclude_none=True) if known else {"requested": app.spec.image}
    image = {
        "requested": app.spec.image,
        "reference": pin.reference,
        "digest": pin.digest or None,
        "refresh": pin.refresh,
        "latestDigest": facts.image.latest_digest if isinstance(facts.image, Pinned) else None,
    }
    return {key: value for key, value in image.items() if value is not None}


def _url(app: ContainerApp, service: Manifest | None) -> str | None:
    """Return the address of the first port: the load balancer's where there is one, else the cluster's own.

    A Service that was taken over may have ports of others before it.
    """
    first = next(iter(app.spec.container_ports()), None)
    ports = [
        port
        for port in (service or {}).get("spec", {}).get("ports", [])
        if first and port.get("name") == first.name
    ]
    if service is None or not ports:
        return None
    host: str | None = f"{service['metadata']['name']}.{service['metadata']['namespace']}.svc"
    if service["spec"].get("type") == "LoadBalancer":
        host = next(iter(_addresses(service)), None)
    return _address(host, ports[0]) if host else None


def _addresses(service: Manifest) -> list[str]:
    ingress = service.get("status", {}).get("loadBalancer", {}).get("ingress") or []
    hosts = [item.get("hostname") or _bracketed(item.get("ip")) for item in ingress]
    return [host for host in hosts if host]


def _bracketed(ip: str | None) -> str | None:
    return f"[{ip}]" if ip and ":" in ip else ip


def _address(host: str, port: Manifest) -> str:
    number = port["port"]
    if port.get("protocol", "TCP") != "TCP":
        return f"{port['protocol'].lower()}://{host}:{number}"
    scheme = "https" if number == 443 or port.get("appProtocol") == "https" else "http"
    return (
        f"{scheme}://{host}"
        if (scheme, number) in {("http", 80), ("https", 443)}
        else f"{scheme}://{host}:{number}"
    )
