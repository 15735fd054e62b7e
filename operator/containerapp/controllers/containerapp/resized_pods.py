"""How far the Pods of an app have other resources, and which of them are next. Pure.

Called by `resize` with the Pods of one ReplicaSet. A quarter of them changes at a time, and the next ones when these
are ready with what they have got: less CPU than the app needs must not hit all of its Pods at once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from math import ceil

from containerapp.controllers.pods.amounts import pod_change
from containerapp.core.model import Manifest, Patch

_SHARE, _ROUNDS = 0.25, 4
_PATIENCE = timedelta(seconds=60)
"""How long a node may put a resize off; and how long each round may take, and the beginning."""


class _State(Enum):
    TO_DO = "to do"
    WAITS = "waits"
    DONE = "done"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How many Pods have the new amounts, the patches of the next ones, and whether it fails or takes too long."""

    message: str
    patches: tuple[Patch, ...]
    complete: bool
    refused: bool


def progress_of(
    pods: Iterable[Manifest], spec: Manifest, *, namespace: str, now: datetime, elapsed: float
) -> Progress:
    """Compare Pods with the spec of their template; `elapsed` are the seconds since the resize began."""
    running = [pod for pod in pods if _stays(pod)]
    states = [(pod, _state(pod, spec, now)) for pod in running]
    due, waiting = ([pod for pod, state in states if state is each] for each in (_State.TO_DO, _State.WAITS))
    left = len(due) + len(waiting)
    overdue = elapsed >= _PATIENCE.total_seconds() * (1 + min(len(running), _ROUNDS))
    room = max(ceil(len(running) * _SHARE) - len(waiting), 0)
    counts = f"Waiting for Pods to be resized in place: {len(running) - left} of {len(running)} are."
    return Progress(
        message=" ".join([counts, *_complaints(waiting)[:1]]),
        patches=patches_of(due[:room], spec, namespace),
        complete=left == 0,
        refused=overdue or any(state is _State.REFUSED for _, state in states),
    )


def patches_of(pods: Iterable[Manifest], spec: Manifest, namespace: str) -> tuple[Patch, ...]:
    """Return what gives the Pods the amounts of a template's spec, as far as they have others."""
    changes = [(pod["metadata"], pod_change(spec, pod["spec"])) for pod in pods]
    return tuple(
        Patch(
            path=f"/api/v1/namespaces/{namespace}/pods/{metadata['name']}/resize",
            body={"metadata": {"uid": metadata["uid"]}, "spec": change},
        )
        for metadata, change in changes
        if change
    )


def _stays(pod: Manifest) -> bool:
    ended = pod.get("status", {}).get("phase") in {"Succeeded", "Failed"}
    return "deletionTimestamp" not in pod["metadata"] and not ended


def _state(pod: Manifest, spec: Manifest, now: datetime) -> _State:
    """Return how a Pod stands; what its node says counts once it has seen what is asked for."""
    if pod_change(spec, pod["spec"]):
        return _State.TO_DO
    if pod["status"].get("observedGeneration", 0) < pod["metadata"].get("generation", 0):
        return _State.WAITS
    conditions = _conditions(pod)
    pending = conditions.get("PodResizePending")
    if pending is not None:
        since = datetime.fromisoformat(pending["lastTransitionTime"])
        final = pending.get("reason") == "Infeasible" or now - since >= _PATIENCE
        return _State.REFUSED if final else _State.WAITS
    ready = conditions.get("Ready", {}).get("status") == "True"
    return _State.DONE if ready and "PodResizeInProgress" not in conditions else _State.WAITS


def _complaints(pods: Iterable[Manifest]) -> list[str]:
    """Return what nodes say of resizes that they have not carried out."""
    return [
        f"Pod {pod['metadata']['name']}: {condition['message']}"
        for pod in pods
        for kind, condition in _conditions(pod).items()
        if kind in {"PodResizePending", "PodResizeInProgress"} and condition.get("message")
    ]


def _conditions(pod: Manifest) -> dict[str, Manifest]:
    return {each["type"]: each for each in pod["status"].get("conditions", ()) if each["status"] == "True"}
