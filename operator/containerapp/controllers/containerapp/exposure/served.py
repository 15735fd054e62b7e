"""Whether the load balancer serves the Pods of a rollout: what holds Kubernetes back until then, and when it is over.

Kubernetes ends old Pods as new ones have been ready for `minReadySeconds`. In a rollout these are so many that no Pod
counts whose target is not healthy, and each one whose target is. Where the operator or Elastic Load Balancing is
silent, the seconds pass: no rollout waits for ever, and no Pod is kept from serving
(docs/decisions/0022-target-health.md). Called by the controller and the status. Pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from containerapp.api.containerapp import ContainerApp
from containerapp.controllers.containerapp.choice import Choice, min_ready_seconds
from containerapp.controllers.containerapp.exposure.route import Route
from containerapp.controllers.containerapp.exposure.targets import ready_ages, serves, states, used
from containerapp.controllers.containerapp.inputs import Inputs
from containerapp.controllers.containerapp.revisions import REVISION, pods_label, running_number
from containerapp.controllers.containerapp.rollout import Rollout
from containerapp.controllers.pods.metadata import track_selector
from containerapp.core.model import Manifest, View
from containerapp.core.targets import Answer, Question, Silence
from containerapp.errors import Transient

BOUND = 240
"""Seconds for which a Pod is held without a word; a target of an NLB takes up to 180 to become healthy."""

SILENCE = 60.0
"""Seconds without an answer after which nothing is held any more."""

ASK_EVERY = 8.0

_LEAST = 30
"""Seconds that a Pod is ready before it counts: it is looked at more than once by then."""

_MARGIN = 20
"""Seconds before a Pod would count at which it is held for longer."""

_STEP = 60
_SKEW = 2
"""Seconds by which the clocks of the kubelet and of the operator may differ."""

_DRAINS = {"draining", "unhealthy.draining"}
_CONFIRMED = {"RolloutComplete", "RolloutUnverified"}


def question(view: View, route: Route | None, *, moves: bool = False) -> Question | None:
    """Return what to ask of an app behind a load balancer of AWS while a rollout goes on or is not confirmed.

    And while it `moves` off a node.
    """
    live = _deployment(view)
    if live is None or route is None or not _awaits(view, route) or (not moves and _confirmed(view, live)):
        return None
    selector = ",".join(f"{key}={value}" for key, value in track_selector(view.obj).items())
    return Question(
        service=view.key.name,
        selector=selector,
        bindings="eks.amazonaws.com/v1" if route.auto_mode else "elbv2.k8s.aws/v1beta1",
        label=REVISION,
    )


def held_seconds(view: View, inputs: Inputs, choice: Choice) -> int | None:
    """Return the `minReadySeconds` that hold a rollout back; None where nothing is to be held."""
    app: ContainerApp = view.obj
    live, target = inputs.deployment, choice.target
    if live is None or target is None or inputs.route is None or not _awaits(view, inputs.route):
        return None
    if choice.rolled_back or app.spec.recreates():
        return None
    limit = app.spec.deadline_seconds() - 1
    current: int | None = live["spec"].get("minReadySeconds") or None
    if target.number != choice.running:
        return min(BOUND, limit)
    if not inputs.rollout.observed:
        return current
    if inputs.rollout.total <= inputs.rollout.updated:
        return None
    match view.targets:
        case Answer(groups=groups) as answer if groups:
            normal = min_ready_seconds(app, target, view.platform.min_ready_seconds)
            waiting, healthy = ready_ages(view, answer, pods_label(live))
            least = max(normal, _LEAST)
            return counted_after(waiting, healthy, current=current or 0, least=least, limit=limit)
        case Silence(seconds=seconds) if seconds < SILENCE:
            return current
        case _:
            return None


def counted_after(
    waiting: Sequence[float], healthy: Sequence[float], *, current: int, least: int, limit: int
) -> int:
    """Return the seconds after which ready Pods count: all of them, or none while the target of one is not healthy.

    `waiting` and `healthy` are the seconds for which new Pods have been ready, `current` those after which they count
    now. It changes as few times as possible: twice for each batch of new Pods.
    """
    bound = min(BOUND, limit)
    if waiting or not healthy:
        oldest = int(max(waiting, default=0.0))
        if current >= max(bound, min(oldest + _MARGIN, limit)):
            return current
        return max(least, min(limit, bound if oldest + _MARGIN <= bound else oldest + _STEP))
    return max(least, min(current, int(min(healthy)) - _SKEW))


def unserved(view: View, route: Route | None) -> Transient | None:
    """Return what the load balancer lacks once every Pod is available; None where it serves, or is silent."""
    if question(view, route) is None:
        return None
    match view.targets:
        case Answer(groups=groups) as answer if groups:
            return _missing(answer, pods_label(_deployment(view)))
        case Silence(seconds=seconds) if seconds < SILENCE:
            return Transient("WaitingForTargets", "Asking the load balancer's target groups for the Pods.")
        case _:
            return None


def served(view: View, route: Route | None) -> tuple[str, str]:
    """Return reason and message of a rollout that has ended well."""
    runs = "Every Pod runs the newest template"
    if question(view, route) is None:
        return _said_before(view) or ("RolloutComplete", f"{runs}.")
    match view.targets:
        case Answer(groups=groups) if groups:
            return "RolloutComplete", f"{runs}, and is healthy in the load balancer's target groups."
        case Silence(error=error):
            why = error.message if error else "There is no answer."
            return "RolloutUnverified", f"{runs}. Whether the load balancer serves them is not known: {why}"
        case _:
            return "RolloutComplete", f"{runs}."


def note(view: View) -> str:
    """Return what to say of a rollout that goes on without being held, where it should be."""
    match view.targets:
        case Silence(seconds=seconds, error=error) if seconds >= SILENCE:
            why = error.message if error else "There is no answer."
            return f" It does not wait for the load balancer's target groups, which cannot be asked: {why}"
        case _:
            return ""


def _awaits(view: View, route: Route) -> bool:
    if not view.platform.expose.await_targets or view.obj.spec.suspend:
        return False
    return route.leads_by("alb", "nlb") or (route.leads_by("gateway") and route.aws_gateway)


def _deployment(view: View) -> Manifest | None:
    return next((child for ref, child in view.live.items() if ref.kind == "Deployment"), None)


def _confirmed(view: View, live: Manifest) -> bool:
    """Whether the status says already that this revision has been rolled out, and nothing has changed since."""
    return Rollout.of(live).complete and _said_before(view) is not None


def _said_before(view: View) -> tuple[str, str] | None:
    app: ContainerApp = view.obj
    if app.status.current_revision != running_number(_deployment(view)):
        return None
    for condition in app.status.conditions:
        if condition.type == "RolledOut" and condition.status == "True" and condition.reason in _CONFIRMED:
            return condition.reason, condition.message
    return None


def _missing(answer: Answer, label: str) -> Transient | None:
    new = [pod for pod in answer.pods if pod.label == label]
    if not all(serves(answer, pod) for pod in new):
        return Transient(
            "WaitingForTargets",
            f"Every Pod is ready; {states(answer, label)} in the load balancer's target groups.",
        )
    mine = {pod.address for pod in new}
    old = Counter(
        "drain" if state in _DRAINS else "serve"
        for group in used(answer.groups)
        for address, state in group.items()
        if address not in mine
    )
    if old:
        doing = " and ".join(f"{count} still {verb}" for verb, count in sorted(old.items()))
        return Transient("WaitingForTargets", f"Of the targets of the old version, {doing}.")
    return None
