"""The status that an app deserves: an ordered list of small checks over what was done and what lives. Pure.

Called once at the end of every reconcile. Follows kstatus: `Reconciling` and `Stalled` exist only while true, a
failure that needs somebody to act is `Stalled`, and `Ready` speaks of this generation alone. Never repeats the spec.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from containerapp.api.containerapp import ContainerApp
from containerapp.core.model import (
    APP_LABEL,
    MANAGED_BY_LABEL,
    MANAGER,
    REFRESH_ANNOTATION,
    Manifest,
    ObjectRef,
    Outcome,
    PinnedImage,
)
from containerapp.core.ownership import deleting, owned_by
from containerapp.errors import Blocked, ContainerAppError, InvalidSpec

_AWAITED = {"Ready", "Reconciling", "Stalled", "ImageResolved"}
_STEPS = {"replicas", "updatedReplicas", "readyReplicas", "resources"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """A proposition about the app: "True", "False" or "Unknown", why, and what to do about it."""

    type: str
    status: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """How far the Deployment has come, in Pods."""

    exists: bool
    observed: bool
    desired: int
    total: int
    updated: int
    ready: int
    available: int
    deadline_exceeded: bool
    failure: str | None

    @classmethod
    def of(cls, deployment: Manifest | None) -> Rollout:
        """Read the counts from the live Deployment; all zero where there is none."""
        metadata, spec, status = (
            (deployment or {}).get("metadata", {}),
            (deployment or {}).get("spec", {}),
            (deployment or {}).get("status", {}),
        )
        conditions = {condition["type"]: condition for condition in status.get("conditions", [])}
        failure = conditions.get("ReplicaFailure", {})
        observed = status.get("observedGeneration", 0) >= metadata.get("generation", 1)
        late = conditions.get("Progressing", {}).get("reason") == "ProgressDeadlineExceeded"
        return cls(
            exists=deployment is not None,
            observed=observed,
            desired=spec.get("replicas", 1),
            total=status.get("replicas", 0),
            updated=status.get("updatedReplicas", 0),
            ready=status.get("readyReplicas", 0),
            available=status.get("availableReplicas", 0),
            deadline_exceeded=observed and late,
            failure=failure.get("message") if failure.get("status") == "True" else None,
        )

    @property
    def complete(self) -> bool:
        """Whether exactly the Pods of the newest template run, all of them available."""
        return (
            self.exists
            and self.observed
            and self.updated == self.desired
            and self.total == self.updated
            and self.available == self.desired
        )

    @property
    def begun(self) -> bool:
        """Whether Kubernetes has come to the newest template, so that there are Pods of it."""
        return self.observed and self.updated > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What the checks look at."""

    app: ContainerApp
    outcome: Outcome
    rollout: Rollout


def compute_status(
    app: ContainerApp, outcome: Outcome, live: Mapping[ObjectRef, Manifest], now: str
) -> Manifest:
    """Return the whole status of `app`; `now` (RFC 3339) dates the conditions that change with it."""
    name = app.metadata.name
    own = {ref: child for ref, child in live.items() if _counts(child, app)}
    service = own.get(ObjectRef(api_version="v1", kind="Service", name=name))
    rollout = Rollout.of(own.get(ObjectRef(api_version="apps/v1", kind="Deployment", name=name)))
    conditions = [
        _dated(condition, app, now) for condition in _check(View(app=app, outcome=outcome, rollout=rollout))
    ]
    status = {
        "observedGeneration": app.metadata.generation,
        "conditions": conditions,
        "image": _image(app, outcome),
        "replicas": rollout.total,
        "updatedReplicas": rollout.updated,
        "readyReplicas": rollout.ready,
        "selector": f"{APP_LABEL}={name},{MANAGED_BY_LABEL}={MANAGER}",
        "url": _url(app, service),
        "resources": [
            {"apiVersion": ref.api_version, "kind": ref.kind, "name": ref.name} for ref in outcome.resources
        ],
    }
    return {key: value for key, value in status.items() if value is not None}


def invalid_status(manifest: Manifest, error: InvalidSpec, now: str) -> Manifest:
    """Return the status of an app whose spec cannot be read: what runs is left as it was, and said so."""
    generation = manifest["metadata"]["generation"]
    old = {condition["type"]: condition for condition in manifest.get("status", {}).get("conditions", [])}
    summary = [
        {
            "type": kind,
            "status": status,
            "observedGeneration": generation,
            "lastTransitionTime": old[kind]["lastTransitionTime"]
            if old.get(kind, {}).get("status") == status
            else now,
            "reason": error.reason,
            "message": error.message,
        }
        for kind, status in (("Ready", "False"), ("Stalled", "True"))
    ]
    parts = [old[kind] for kind in ("ImageResolved", "Available", "RolledOut") if kind in old]
    return {**manifest.get("status", {}), "observedGeneration": generation, "conditions": summary + parts}


def state_of(manifest: Manifest) -> str:
    """Return in one word how an app fares, as its status says: ready, progressing or stalled."""
    conditions = {
        condition["type"]: condition["status"]
        for condition in manifest.get("status", {}).get("conditions", [])
    }
    if conditions.get("Ready") == "True":
        return "ready"
    return "stalled" if conditions.get("Stalled") == "True" else "progressing"


def is_urgent(old: Manifest, new: Manifest) -> bool:
    """Whether the change from `old` to `new` must be told at once, being more than a step on the way."""
    lost = _available_in(old) == "True" and _available_in(new) != "True"
    return lost or _essence(old) != _essence(new)


def _essence(status: Manifest) -> Manifest:
    """What somebody may wait for: not how many Pods there are by now, nor in whose words it is told."""
    conditions = {
        condition["type"]: (condition["status"], condition["reason"])
        for condition in status.get("conditions", [])
        if condition["type"] in _AWAITED
    }
    rest = {key: value for key, value in status.items() if key not in _STEPS}
    return {**rest, "conditions": conditions}


def _available_in(status: Manifest) -> str | None:
    conditions = {condition["type"]: condition["status"] for condition in status.get("conditions", [])}
    return conditions.get("Available")


def _counts(child: Manifest, app: ContainerApp) -> bool:
    """Whether a child tells something of `app`: not one that another app has left behind, nor one that goes."""
    return owned_by(child, app.metadata.uid) and not deleting(child)


def _check(view: View) -> Iterator[Condition]:
    parts = (_image_resolved(view), _available(view), _rolled_out(view))
    yield from _summary(view)
    yield from parts


def _summary(view: View) -> Iterator[Condition]:
    """Ready, and Reconciling or Stalled where it is not."""
    blocker = _blocker(view)
    if blocker is not None:
        yield Condition(type="Ready", status="False", reason=blocker.reason, message=blocker.message)
        kind = "Stalled" if isinstance(blocker, InvalidSpec | Blocked) else "Reconciling"
        yield Condition(type=kind, status="True", reason=blocker.reason, message=blocker.message)
    elif view.outcome.image.pending:
        waiting = f"Waiting for the registry to tell the digest of {view.app.spec.image}."
        yield Condition(type="Ready", status="Unknown", reason="ResolvingImage", message=waiting)
        yield Condition(type="Reconciling", status="True", reason="ResolvingImage", message=waiting)
    elif not view.rollout.complete:
        progress = _progress(view)
        yield Condition(type="Ready", status="False", reason="RollingOut", message=progress)
        yield Condition(type="Reconciling", status="True", reason="RollingOut", message=progress)
    elif view.app.spec.suspend:
        message = f"Suspended: no Pod runs. Set spec.suspend to false to run {view.app.spec.replicas} again."
        yield Condition(type="Ready", status="True", reason="Suspended", message=message)
    else:
        message = _achieved(view.rollout.desired)
        yield Condition(type="Ready", status="True", reason="Running", message=message)


def _achieved(pods: int) -> str:
    match pods:
        case 0:
            return "No Pod is wanted: spec.replicas is 0."
        case 1:
            return "The Pod runs the wanted version and is available."
        case _:
            return f"All {pods} Pods run the wanted version and are available."


def _blocker(view: View) -> ContainerAppError | None:
    """Return the first thing that stands in the way of this generation, if any."""
    outcome, rollout = view.outcome, view.rollout
    if outcome.error is not None:
        return outcome.error
    if outcome.image.error is not None:
        return outcome.image.error
    if rollout.deadline_exceeded and not rollout.complete:
        return Blocked("ProgressDeadlineExceeded", _progress(view))
    return None


def _image_resolved(view: View) -> Condition:
    image = view.outcome.image
    if image.error is not None:
        return Condition(
            type="ImageResolved", status="False", reason=image.error.reason, message=image.error.message
        )
    if image.pin is None or image.pending:
        message = f"Asking the registry where {view.app.spec.image} points."
        return Condition(type="ImageResolved", status="Unknown", reason="Resolving", message=message)
    if image.unasked and (standing := _standing(view, image.pin)):
        return standing
    if image.latest_digest is not None:
        message = (
            f"{image.pin.reference} now points to {image.latest_digest}, but {image.pin.digest} keeps running. "
            f"To take the new one: kubectl annotate containerapp {view.app.metadata.name} "
            f"-n {view.app.metadata.namespace} {REFRESH_ANNOTATION}=$(date +%s) --overwrite"
        )
        return Condition(type="ImageResolved", status="True", reason="TagMoved", message=message)
    message = f"{image.pin.reference} is {image.pin.digest}."
    if image.news_error is not None:
        message += f" Whether the tag has moved since cannot be told: {image.news_error.message}"
    return Condition(type="ImageResolved", status="True", reason="Resolved", message=message)


def _standing(view: View, pin: PinnedImage) -> Condition | None:
    """What the status says of the very same digest, which holds until a registry has been asked."""
    known, told = (
        view.app.status.image,
        {condition.type: condition for condition in view.app.status.conditions},
    )
    old = told.get("ImageResolved")
    if old is None or old.status != "True" or known is None or known.digest != pin.digest:
        return None
    return Condition(type=old.type, status=old.status, reason=old.reason, message=old.message)


def _available(view: View) -> Condition:
    rollout = view.rollout
    message = f"{rollout.available} of {rollout.desired} Pods are available."
    if rollout.available > 0 or (rollout.exists and rollout.desired == 0):
        return Condition(type="Available", status="True", reason="PodsAvailable", message=message)
    return Condition(type="Available", status="False", reason="NoPodAvailable", message=message)


def _rolled_out(view: View) -> Condition:
    if view.rollout.complete:
        message = "Every Pod runs the newest template."
        return Condition(type="RolledOut", status="True", reason="RolloutComplete", message=message)
    reason = "ProgressDeadlineExceeded" if view.rollout.deadline_exceeded else "RollingOut"
    return Condition(type="RolledOut", status="False", reason=reason, message=_progress(view))


def _progress(view: View) -> str:
    """Say what is waited for, and what a Pod complains of where that is known."""
    rollout = view.rollout
    if not rollout.exists:
        return "Waiting for the Deployment."
    if not rollout.observed:
        return "Waiting for the Deployment controller to see the change."
    trouble = view.outcome.pod_problem or rollout.failure
    detail = f" {trouble}" if trouble else ""
    if rollout.updated < rollout.desired or rollout.available < rollout.desired:
        available = min(rollout.available, rollout.updated)
        return f"Waiting for Pods of the new version: {available} of {rollout.desired} are available.{detail}"
    if rollout.updated > rollout.desired:
        return f"Waiting for {_pods(rollout.updated - rollout.desired)} more than wanted to end.{detail}"
    return f"Waiting for {_pods(rollout.total - rollout.updated)} of the old version to end.{detail}"


def _pods(count: int) -> str:
    return "1 Pod" if count == 1 else f"{count} Pods"


def _image(app: ContainerApp, outcome: Outcome) -> Manifest:
    """Describe the digest that runs: the newly pinned one, or what the status already knew."""
    pin = outcome.image.pin
    if pin is None:
        known = app.status.image
        return known.model_dump(by_alias=True, exclude_none=True) if known else {"requested": app.spec.image}
    image = {
        "requested": app.spec.image,
        "reference": pin.reference,
        "digest": pin.digest,
        "refresh": pin.refresh,
        "latestDigest": outcome.image.latest_digest,
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
        ingress = service.get("status", {}).get("loadBalancer", {}).get("ingress") or [{}]
        host = ingress[0].get("hostname") or _bracketed(ingress[0].get("ip"))
    return _address(host, ports[0]) if host else None


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


def _dated(condition: Condition, app: ContainerApp, now: str) -> dict[str, Any]:
    """Carry over the time of the last transition from the present status, if it is the operator's own."""
    told = () if app.status.is_first else app.status.conditions
    known = {old.type: old for old in told}.get(condition.type)
    since = known.last_transition_time if known and known.status == condition.status else None
    return {
        "type": condition.type,
        "status": condition.status,
        "observedGeneration": app.metadata.generation,
        "lastTransitionTime": since or now,
        "reason": condition.reason,
        "message": condition.message,
    }
