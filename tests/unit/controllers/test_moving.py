"""How an app of one Pod leaves a node that is to go, step by step: `containerapp.moving`."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from unittest.mock import Mock

import pytest

from containerapp.controllers.containerapp.controller import CONTAINER_APP
from containerapp.controllers.containerapp.exposure.route import choose_route
from containerapp.controllers.containerapp.moving import BOUND, Move, find_move
from containerapp.controllers.containerapp.rollout import MOVING, Rollout
from containerapp.core.model import Digests, Gathered, Manifest, Outcome, View
from containerapp.core.policy import ExposeDefaults, Platform
from containerapp.core.targets import Answer, PodAt, Silence, Targets
from tests.builders import (
    BEFORE,
    DEPLOYMENT,
    DIGEST,
    NOW,
    a_view,
    an_app,
    inputs,
    live_children,
    rendered,
    with_rollout,
)
from tests.expectations import conditions

COST = "controller.kubernetes.io/pod-deletion-cost"
SELECTOR = "containerapp.dev/app=shop,containerapp.dev/track=stable"


def a_pod(name: str = "old", node: str = "n1", **more: Any) -> Manifest:
    """Return a Pod on a node."""
    metadata = {"name": name, "uid": f"uid-{name}", "creationTimestamp": BEFORE, **more.pop("metadata", {})}
    return {
        "metadata": metadata,
        "spec": {"nodeName": node, "containers": []},
        "status": {"phase": "Running", "podIP": f"ip-{name}", **more},
    }


def a_move(
    *pods: Manifest,
    spec: Manifest | None = None,
    note: str = "",
    replicas: int = 1,
    available: int = 1,
    total: int | None = None,
    observed: int | None = None,
    now: str = NOW,
    leaving: str = "n1",
    **fields: Any,
) -> tuple[View, Move]:
    """Return what is seen of an app whose node n1 is to go, and the next step."""
    app = an_app(spec)
    live = live_children(app)
    deployment = with_rollout(
        live[DEPLOYMENT],
        total=total or available,
        updated=available,
        available=available,
        observed=observed,
    )
    deployment["spec"]["replicas"] = replicas
    if note:
        deployment["metadata"]["annotations"][MOVING] = note
    live[DEPLOYMENT] = deployment
    view = a_view(app, live, now=now, leaving=frozenset({leaving} if leaving else ()), **fields)
    route = choose_route(view)
    asked = find_move(view, deployment, route)
    view = replace(view, answers={query: {"items": list(pods)} for query in asked.queries})
    return view, find_move(view, deployment, route)


def reason(move: Move) -> str:
    """Return what the status says of it."""
    return move.condition.reason if move.condition else ""


def children(view: View, move: Move) -> dict[str, Manifest]:
    """Return what the app has then, by kind."""
    given = replace(inputs(app=view.obj), move=move)
    return {manifest["kind"]: manifest for manifest in rendered(view.obj, given)}


def test_a_second_pod_starts_and_the_first_may_not_be_evicted() -> None:
    """Which Pod is to go, and since when, is on record before anything happens."""
    view, move = a_move(a_pod())
    found = children(view, move)
    assert found["Deployment"]["spec"]["replicas"] == 2
    assert found["Deployment"]["metadata"]["annotations"][MOVING] == f"uid-old {NOW}"
    assert found["PodDisruptionBudget"]["spec"]["minAvailable"] == 1
    assert list(found).index("PodDisruptionBudget") < list(found).index("Deployment")
    assert (reason(move), move.patches, move.again_after) == ("StartingElsewhere", (), BOUND.total_seconds())


def test_the_first_pod_is_marked_before_there_is_one_too_many() -> None:
    """A patch that is refused must not let Kubernetes take the new one, which is the younger."""
    pods, note = (a_pod(), a_pod("new", "n2")), f"uid-old {NOW}"
    _, marked = a_move(*pods, note=note, replicas=2, available=2)
    (patch,) = marked.patches
    assert (patch.path, patch.body["metadata"]["annotations"]) == (
        "/api/v1/namespaces/default/pods/old",
        {COST: "-100"},
    )
    assert (marked.pods, reason(marked)) == (2, "EndingHere")
    assert marked.again_after is not None
    _, refused = a_move(*pods, note=note, replicas=2, available=2, refused="no")
    assert (refused.pods, refused.patches, reason(refused)) == (2, (), "StartingElsewhere")
    costly = a_pod(metadata={"annotations": {COST: "-100"}})
    view, ending = a_move(costly, pods[1], note=note, replicas=2, available=2)
    assert (ending.pods, ending.patches, ending.protected) == (1, (), True)
    assert children(view, ending)["Deployment"]["spec"]["replicas"] == 1


@pytest.mark.parametrize(
    ("state", "pods"),
    [
        ({"replicas": 2, "available": 1}, 2),
        ({"replicas": 1, "available": 2, "observed": 0}, 1),
        ({"replicas": 2, "available": 1, "observed": 0}, 2),
        ({"replicas": 1, "available": 1, "total": 2}, 1),
    ],
    ids=["starting", "not seen yet, down", "not seen yet, up", "a rollout"],
)
def test_the_count_stays_while_kubernetes_works(state: Manifest, pods: int) -> None:
    """Counts that are not of this count decide nothing; a rollout makes a new Pod itself."""
    _, move = a_move(a_pod(), note=f"uid-old {NOW}", **state)
    assert (move.pods, move.patches) == (pods, ())


def test_a_move_ends_with_its_pod_and_the_note_goes() -> None:
    """Whether Kubernetes, a drain or a person has ended it."""
    ending = a_pod(metadata={"deletionTimestamp": NOW})
    for pods in (
        (ending, a_pod("new", "n2")),
        (a_pod("new", "n2"),),
        (a_pod() | {"status": {"phase": "Failed"}},),
    ):
        view, move = a_move(*pods, note=f"uid-old {NOW}", replicas=2, available=2)
        assert move == Move(queries=move.queries)
        found = children(view, move)
        assert MOVING not in found["Deployment"]["metadata"]["annotations"]
        assert "PodDisruptionBudget" not in found


def test_nothing_is_asked_or_done_where_no_node_goes() -> None:
    """The ordinary case costs nothing."""
    _, move = a_move(a_pod(), leaving="")
    assert move == Move()


def test_a_node_does_not_wait_for_ever() -> None:
    """After ten minutes the Pod may be evicted; why there is no other is said; it is not tried again."""
    late = (datetime.fromisoformat(NOW) + BOUND).isoformat()
    stuck = a_pod("new", "", conditions=[_unschedulable("0/2 nodes are available")])
    view, move = a_move(a_pod(), stuck, note=f"uid-old {NOW}", replicas=2, now=late)
    assert (move.pods, move.protected, reason(move)) == (0, False, "ReplacementLate")
    assert move.condition is not None
    assert move.condition.status == "False"
    assert "within 10 minutes, so that Pod old may be evicted now" in move.condition.message
    assert "0/2 nodes are available" in move.condition.message
    found = children(view, move)
    assert "PodDisruptionBudget" not in found
    assert found["Deployment"]["metadata"]["annotations"][MOVING] == f"uid-old {NOW}"
    _, again = a_move(a_pod(), note=f"uid-old {NOW}", now=late)
    assert again.pods == 0


def _unschedulable(message: str) -> Manifest:
    return {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}


@pytest.mark.parametrize("note", ["uid-other 2026-01-01T00:00:00Z", "nonsense", "uid-old yesterday"])
def test_a_note_that_is_none_begins_a_move(note: str) -> None:
    """What others write there, or a Pod that is gone."""
    _, move = a_move(a_pod(), note=note)
    assert (move.pods, move.note) == (2, f"uid-old {NOW}")


@pytest.mark.parametrize(
    ("spec", "moves"),
    [
        ({}, True),
        ({"disruption": {}}, True),
        ({"disruption": {"surge": False}}, False),
        ({"replicas": 2}, False),
        ({"suspend": True}, False),
        ({"rollout": {"strategy": "Recreate"}}, False),
        ({"autoscaling": {"maxReplicas": 3}}, True),
        ({"autoscaling": {"maxReplicas": 1}}, False),
        ({"autoscaling": {"minReplicas": 2, "maxReplicas": 3}}, False),
    ],
    ids=str,
)
def test_apps_whose_only_pod_may_have_a_second_one(spec: Manifest, *, moves: bool) -> None:
    """Two Pods that must not run at once never do."""
    _, move = a_move(a_pod(), spec=spec)
    assert bool(move.pods) is moves


@pytest.mark.parametrize("replicas", [1, 2], ids=["ending", "starting"])
def test_a_plan_takes_a_move_as_it_stands(replicas: int) -> None:
    """Without a look at nodes or Pods; an edit of the app has its own effects beside it."""
    note = f"uid-old {NOW}"
    view, move = a_move(note=note, replicas=replicas, rehearses=True, leaving="")
    found = children(view, move)
    assert found["Deployment"]["spec"]["replicas"] == replicas
    assert found["Deployment"]["metadata"]["annotations"][MOVING] == note
    assert found["PodDisruptionBudget"]["spec"]["minAvailable"] == 1
    assert (move.queries, move.patches) == ((), ())
    late = (datetime.fromisoformat(NOW) + BOUND).isoformat()
    view, move = a_move(note=note, replicas=2, rehearses=True, now=late)
    assert "PodDisruptionBudget" not in children(view, move)
    for spec, text in (({"replicas": 3}, note), (None, "no note")):
        assert a_move(spec=spec, note=text, replicas=2, rehearses=True)[1] == Move()


@pytest.mark.parametrize("fewest", [1, 2], ids=["ending", "starting"])
def test_a_plan_takes_the_wish_of_an_autoscaler_as_it_stands(fewest: int) -> None:
    """The Pods themselves are the autoscaler's."""
    view, move = a_move(spec={"autoscaling": {"maxReplicas": 3}}, note=f"uid-old {NOW}", replicas=2)
    hpa = next(child for ref, child in view.live.items() if ref.kind == "HorizontalPodAutoscaler")
    hpa["spec"]["minReplicas"] = fewest
    move = find_move(replace(view, rehearses=True), view.live[DEPLOYMENT], None)
    assert children(view, move)["HorizontalPodAutoscaler"]["spec"]["minReplicas"] == fewest


def test_an_autoscaler_is_asked_for_a_second_pod() -> None:
    """Kubernetes' own and KEDA's; an app that it has given more Pods needs none."""
    autoscaling = {"autoscaling": {"maxReplicas": 3}}
    view, move = a_move(a_pod(), spec=autoscaling)
    found = children(view, move)
    assert found["HorizontalPodAutoscaler"]["spec"]["minReplicas"] == 2
    assert "replicas" not in found["Deployment"]["spec"]
    assert found["PodDisruptionBudget"]["spec"]["minAvailable"] == 1
    trigger = {"sqs": {"queueUrl": "https://sqs.eu-west-1.amazonaws.com/123456789012/orders"}}
    view, move = a_move(a_pod(), spec={"autoscaling": {"maxReplicas": 3, "triggers": [trigger]}})
    assert children(view, move)["ScaledObject"]["spec"]["minReplicaCount"] == 2
    _, busy = a_move(a_pod(), a_pod("b", "n2"), spec=autoscaling, replicas=2, available=2)
    assert busy.pods == 0


_BEHIND = {"port": 8080, "expose": {"via": "alb", "hosts": ["shop.example.com"]}}
_AWAITS = Platform(expose=ExposeDefaults(await_targets=True))


@pytest.mark.parametrize(
    ("targets", "platform", "ends"),
    [
        (Answer(pods=(PodAt(address="ip-new", label="1"),), groups=({"ip-new": "initial"},)), _AWAITS, False),
        (Answer(pods=(PodAt(address="ip-new", label="1"),), groups=({"ip-new": "healthy"},)), _AWAITS, True),
        (Answer(pods=(PodAt(address="ip-old", label="1"),), groups=({"ip-old": "healthy"},)), _AWAITS, False),
        (Answer(), _AWAITS, True),
        (Silence(seconds=1.0), _AWAITS, False),
        (Silence(seconds=61.0), _AWAITS, True),
        (None, _AWAITS, True),
        (None, Platform(), True),
    ],
)
def test_the_load_balancer_serves_the_second_pod_first(
    targets: Targets | None, platform: Platform, *, ends: bool
) -> None:
    """Where it says so; its silence holds nothing for longer than a rollout."""
    pods = (a_pod(), a_pod("new", "n2"))
    view, move = a_move(
        *pods,
        spec=_BEHIND,
        note=f"uid-old {NOW}",
        replicas=2,
        available=2,
        targets=targets,
        platform=platform,
    )
    assert bool(move.patches) is ends
    asked = CONTAINER_APP.targets(view)
    assert (asked is not None) is platform.expose.await_targets
    if asked is not None and not ends:
        assert move.again_after is not None
        assert move.again_after < timedelta(minutes=1).total_seconds()


def test_the_load_balancer_is_asked_while_a_move_goes_on() -> None:
    """A node may stay cordoned for days: each answer is a call of AWS."""
    view, _ = a_move(a_pod(), spec=_BEHIND, platform=_AWAITS)
    known = {"type": "RolledOut", "status": "True", "reason": "RolloutComplete"}
    filled = {**known, "message": "Done.", "lastTransitionTime": NOW, "observedGeneration": 1}
    served = {"observedGeneration": 1, "currentRevision": 1, "conditions": [filled]}
    view = replace(view, obj=an_app(_BEHIND, status=served))
    assert CONTAINER_APP.targets(view) is None
    live = view.live[DEPLOYMENT]
    annotations = {**live["metadata"]["annotations"], MOVING: f"uid-old {NOW}"}
    noted = {**live, "metadata": {**live["metadata"], "annotations": annotations}}
    assert CONTAINER_APP.targets(replace(view, live={**view.live, DEPLOYMENT: noted})) is not None


@pytest.mark.parametrize(
    ("spec", "platform", "named"),
    [
        ({}, Platform(), ""),
        ({}, Platform(watch_nodes=False), "the operator does not watch nodes"),
        ({"rollout": {"strategy": "Recreate"}}, Platform(), "a second one may not run beside it"),
        ({"replicas": 2}, Platform(watch_nodes=False), ""),
        ({"disruption": {}}, Platform(watch_nodes=False), ""),
    ],
)
def test_the_only_pod_stays_where_the_app_asks_for_it(spec: Manifest, platform: Platform, named: str) -> None:
    """And only where a second one can come: else it would stop every drain of its node."""
    app = an_app({"disruption": {"minAvailable": 1}, **spec})
    refusal = CONTAINER_APP.forbidden(app, platform)
    assert (str(refusal) if refusal else "").count(named) >= 1
    assert bool(refusal) is bool(named)


def test_the_budget_of_an_only_pod_ends_with_its_time() -> None:
    """As long as its node has to wait, and while no node goes."""
    spec = {"disruption": {"minAvailable": 1}}
    late = (datetime.fromisoformat(NOW) + BOUND).isoformat()
    for pods, now, budget in (((a_pod(),), NOW, 1), ((a_pod("new", "n2"),), NOW, 1), ((a_pod(),), late, 0)):
        view, move = a_move(*pods, spec=spec, note=f"uid-old {NOW}", now=now)
        assert [kind for kind in children(view, move) if kind == "PodDisruptionBudget"] == [
            "PodDisruptionBudget"
        ] * budget


def test_a_move_is_no_rollout() -> None:
    """The app stays Ready, and its revision good, with one Pod, with two, and with one that starts."""
    for replicas, available in ((2, 1), (2, 2), (1, 2)):
        view, _ = a_move(a_pod(), note=f"uid-old {NOW}", replicas=replicas, available=available)
        rollout = Rollout.of(view.live[DEPLOYMENT])
        assert rollout.complete
        assert rollout.desired == 1
    view, _ = a_move(a_pod(), note=f"uid-old {NOW}", replicas=2, available=0)
    assert not Rollout.of(view.live[DEPLOYMENT]).complete
    view, _ = a_move(a_pod(), replicas=1, available=2)
    assert not Rollout.of(view.live[DEPLOYMENT]).complete


def test_the_controller_asks_for_the_pods_and_the_status_says_what_happens() -> None:
    """The whole way: gather, render, status."""
    digests = Mock(spec=Digests, runs_by_tag=Mock(return_value=False))
    view, _ = a_move(a_pod(), spec={"image": f"shop@{DIGEST}"})
    gathered = CONTAINER_APP.gather(view, digests)
    assert gathered.inputs.move.pods == 2
    assert [query.selector for query in gathered.queries] == [SELECTOR]
    assert gathered.again_after == BOUND.total_seconds()
    status = CONTAINER_APP.status(view, Outcome(gathered=Gathered(inputs=gathered.inputs)), NOW)
    moving = conditions(status)["Moving"]
    assert (moving["status"], moving["reason"]) == ("True", "StartingElsewhere")
    assert "Node n1 is about to go." in moving["message"]
    assert conditions(status)["Ready"]["status"] == "True"
