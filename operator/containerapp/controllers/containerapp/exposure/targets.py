"""What target groups say of the Pods of a rollout: which are served, how long others wait, and when that is too long.

Called by `served` and by the choice of the revision. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from containerapp.core.model import View
from containerapp.core.targets import Answer, PodAt

_SERVES = {"healthy", "unavailable"}
"""`unavailable`: the group has no health checks."""

_LEFT = 30
"""Seconds before a Pod that is not served counts all the same at which its revision has failed."""


def ready_ages(view: View, answer: Answer, label: str) -> tuple[list[float], list[float]]:
    """Return the seconds for which the Pods of a revision have been ready: of those that are not served, and others."""
    waiting: list[float] = []
    healthy: list[float] = []
    for pod in answer.pods:
        if pod.label == label and pod.ready_since is not None:
            age = (view.now - pod.ready_since).total_seconds()
            (healthy if serves(answer, pod) else waiting).append(age)
    return waiting, healthy


def serves(answer: Answer, pod: PodAt) -> bool:
    """Whether the Pod is healthy in every target group that a load balancer uses."""
    return all(group.get(pod.address) in _SERVES for group in used(answer.groups))


def used(groups: Iterable[Mapping[str, str]]) -> Iterable[Mapping[str, str]]:
    """A group that no listener leads to says of its targets that they are unused."""
    return (group for group in groups if not group or set(group.values()) != {"unused"})


def never_served(view: View, label: str, deadline: int) -> str:
    """Return why a revision has failed whose Pods are ready and not served for as long as its deadline; or nothing."""
    if not isinstance(view.targets, Answer) or not view.targets.groups:
        return ""
    waiting, _ = ready_ages(view, view.targets, label)
    if max(waiting, default=0.0) < deadline - min(_LEFT, deadline // 4):
        return ""
    return (
        f"For {int(max(waiting))} s {states(view.targets, label)} in the load balancer's target groups. Check the "
        "health check's path and port, and that the load balancer's security group reaches the Pods."
    )


def states(answer: Answer, label: str) -> str:
    """Say how many Pods of a revision are served, and what the others are."""
    pods = [pod for pod in answer.pods if pod.label == label]
    unserved = [pod for pod in pods if not serves(answer, pod)]
    known = {state for pod in unserved for group in answer.groups if (state := group.get(pod.address))}
    said = ", ".join(sorted(known)) or "not registered"
    return f"{len(pods) - len(unserved)} of {len(pods)} Pods are healthy, the others {said},"
