"""How an app of one Pod leaves a node that is to go: a second Pod starts first, then the first one ends.

Called by `gather`. It remembers nothing: the Deployment notes which Pod is to leave, and since when. A budget keeps the
Pod from being evicted meanwhile, for no longer than BOUND: a node that cannot wait is not kept. Which of the two Pods
ends, an annotation of Kubernetes' own on the Pod says. docs/decisions/0026-drains.md has the reasons. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from containerapp.api.containerapp import ContainerApp
from containerapp.controllers.containerapp.exposure.route import Route
from containerapp.controllers.containerapp.exposure.served import ASK_EVERY, SILENCE, question
from containerapp.controllers.containerapp.exposure.targets import serves
from containerapp.controllers.containerapp.facts import Facts
from containerapp.controllers.containerapp.failure import cause, examine
from containerapp.controllers.containerapp.rollout import MOVING, Rollout, pods_query
from containerapp.controllers.workloads.concerns import Concern
from containerapp.core.conditions import Condition
from containerapp.core.model import Manifest, Patch, Query, View
from containerapp.core.policy import Platform
from containerapp.core.targets import Answer, Silence
from containerapp.errors import InvalidSpec

BOUND = timedelta(minutes=10)
"""How long a node waits for a second Pod: a new node and an image take minutes. EKS gives a drain of a node 15."""

_COST = "controller.kubernetes.io/pod-deletion-cost"
_FIRST_TO_END = "-100"
_MINUTE = 60
_SOON = 0.1
"""Seconds after which the second Pod is let go on alone: the first is known to be the one that ends, by then."""

_ALONE = {"Deployment": "replicas"}
_AUTOSCALED = {"HorizontalPodAutoscaler": "minReplicas", "ScaledObject": "minReplicaCount"}
"""Where it stands how many Pods a move asks for, by kind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """What is done for the one Pod of an app whose node is to go.

    `pods` are the fewest that are to run, `protected` says whether one of them may not be evicted, `late` that the
    node waits no longer, and `note` is what the Deployment remembers. What is to be read and patched for it: see
    `Gathered`.
    """

    pods: int = 0
    protected: bool = False
    late: bool = False
    note: str = ""
    condition: Condition | None = None
    queries: tuple[Query, ...] = ()
    patches: tuple[Patch, ...] = ()
    again_after: float | None = None


STAYS = Move()


def find_move(view: View, live: Manifest | None, route: Route | None) -> Move:
    """Return the next step of an app's move off its node."""
    if live is None or not _may_surge(view.obj):
        return STAYS
    if view.rehearses:
        return _going_on(view, live)
    if not view.leaving:
        return STAYS
    query = pods_query(live, view.key.namespace)
    pods = [pod for pod in (view.answers.get(query) or {}).get("items", ()) if _runs(pod)]
    leaving = sorted(
        (pod for pod in pods if pod["spec"].get("nodeName") in view.leaving),
        key=lambda pod: str(pod["metadata"]["creationTimestamp"]),
    )
    noted, since = _noted(live)
    pod = next((pod for pod in leaving if pod["metadata"]["uid"] == noted), None)
    if pod is None and leaving and live["spec"].get("replicas", 1) == 1:
        pod, since = leaving[0], view.now
    return (
        Move(queries=(query,))
        if pod is None
        else replace(_move(view, live, route, pods, pod, since), queries=(query,))
    )


def moving(facts: Facts) -> Iterator[Concern]:
    """Yield the condition of an app that leaves a node."""
    move: Move | None = facts.outcome.gathered.inputs.move
    if move is not None and move.condition is not None:
        yield Concern(condition=move.condition)


def forbidden_budget(app: ContainerApp, platform: Platform) -> InvalidSpec | None:
    """Return what to edit where the only Pod of an app is to stay, and there can be no second one before it goes."""
    if not keeps_the_only_pod(app):
        return None
    if not platform.watch_nodes:
        why = "the operator does not watch nodes (watchNodes, watchNamespaces)"
    elif not _may_have_two(app):
        why = "a second one may not run beside it"
    else:
        return None
    return InvalidSpec(
        "InvalidSpec",
        f"spec.disruption.minAvailable: 1 keeps the only Pod, and {why}: it would block the drain of its node. Remove "
        "it, or set replicas to 2 or more.",
    )


def keeps_the_only_pod(app: ContainerApp) -> bool:
    """Whether an app of one Pod has a budget at all times."""
    disruption = app.spec.disruption
    return disruption is not None and disruption.min_available == 1 and app.spec.fewest_pods() == 1


def _may_surge(app: ContainerApp) -> bool:
    """Whether a second Pod is to run beside the only one."""
    spec = app.spec
    wished = spec.disruption is None or spec.disruption.surge
    return wished and not spec.suspend and spec.fewest_pods() == 1 and _may_have_two(app)


def _may_have_two(app: ContainerApp) -> bool:
    autoscaling = app.spec.autoscaling
    return not app.spec.recreates() and (autoscaling is None or autoscaling.max_replicas > 1)


def _move(
    view: View, live: Manifest, route: Route | None, pods: list[Manifest], pod: Manifest, since: datetime
) -> Move:
    name, node = pod["metadata"]["name"], pod["spec"]["nodeName"]
    note = f"{pod['metadata']['uid']} {since.strftime('%Y-%m-%dT%H:%M:%SZ')}"
    begin = f"Node {node} is about to go."
    left = (since + BOUND - view.now).total_seconds()
    others = [each for each in pods if each["spec"].get("nodeName") not in view.leaving]
    rollout = Rollout.of(live)
    if left <= 0:
        why = cause(examine(others), rollout)
        message = (
            f"{begin} No second Pod has become available within {int(BOUND.total_seconds() // _MINUTE)} minutes, so "
            f"that Pod {name} may be evicted now. {why}".rstrip()
        )
        return Move(late=True, note=note, condition=_said("False", "ReplacementLate", message))
    starting = Move(
        pods=2,
        protected=True,
        note=note,
        condition=_said(
            "True", "StartingElsewhere", f"{begin} A second Pod starts elsewhere before Pod {name} ends."
        ),
        again_after=min(left, ASK_EVERY if question(view, route, moves=True) is not None else left),
    )
    if not rollout.observed or rollout.total > rollout.updated:
        return replace(starting, pods=live["spec"].get("replicas", 1))
    if rollout.available < 2 or view.refused or not _is_served(view, route, others):
        return starting
    ending = _said("True", "EndingHere", f"{begin} A second Pod is available, and Pod {name} ends.")
    if (pod["metadata"].get("annotations") or {}).get(_COST) != _FIRST_TO_END:
        return replace(starting, condition=ending, patches=(_first_to_end(view, pod),), again_after=_SOON)
    return replace(starting, condition=ending, pods=1)


def _going_on(view: View, live: Manifest) -> Move:
    """Return a move as it stands: a plan is not about it, and who plans may not be allowed to read nodes."""
    uid, since = _noted(live)
    if not uid:
        return STAYS
    kinds = _AUTOSCALED if view.obj.spec.autoscaling else _ALONE
    asked = [child["spec"].get(kinds[ref.kind], 1) for ref, child in view.live.items() if ref.kind in kinds]
    late = view.now - since >= BOUND
    note = live["metadata"]["annotations"][MOVING]
    return Move(pods=min(2, max(asked, default=1)), protected=not late, late=late, note=note)


def _is_served(view: View, route: Route | None, others: list[Manifest]) -> bool:
    """Whether the load balancer, where there is one that says so, sends requests to a Pod that stays."""
    if question(view, route, moves=True) is None:
        return True
    match view.targets:
        case Answer(groups=groups) as answer if groups:
            addresses = {pod.get("status", {}).get("podIP") for pod in others}
            return any(serves(answer, pod) for pod in answer.pods if pod.address in addresses)
        case Silence(seconds=seconds):
            return seconds >= SILENCE
        case _:
            return True


def _first_to_end(view: View, pod: Manifest) -> Patch:
    metadata = pod["metadata"]
    return Patch(
        path=f"/api/v1/namespaces/{view.key.namespace}/pods/{metadata['name']}",
        body={"metadata": {"uid": metadata["uid"], "annotations": {_COST: _FIRST_TO_END}}},
    )


def _runs(pod: Manifest) -> bool:
    ended = pod.get("status", {}).get("phase") in {"Succeeded", "Failed"}
    return "deletionTimestamp" not in pod["metadata"] and not ended


def _noted(live: Manifest) -> tuple[str, datetime]:
    """Return the uid of the Pod that leaves, and since when; what others have written there is no note."""
    uid, _, text = (live["metadata"].get("annotations") or {}).get(MOVING, "").partition(" ")
    try:
        return uid, datetime.fromisoformat(text).astimezone(UTC)
    except ValueError:
        return "", datetime.max.replace(tzinfo=UTC)


def _said(status: str, reason: str, message: str) -> Condition:
    return Condition(type="Moving", status=status, reason=reason, message=message)
