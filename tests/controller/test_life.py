"""The life of an app on a real API server: applied, scaled, suspended, updated, deleted, and seen by kubectl."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from unittest.mock import Mock

import pytest
import yaml

from containerapp.controllers import CONTROLLERS
from containerapp.core.model import Key
from containerapp.core.policy import Platform
from containerapp.engine.apply import Applier
from containerapp.engine.memory import Memories
from containerapp.engine.reconcile import Reconciler
from containerapp.engine.turn import Next, Turn
from containerapp.errors import Transient
from containerapp.kube.client import connect
from containerapp.kube.store import Stores
from tests.controller.api import Manifest
from tests.controller.operators import Operator
from tests.controller.registry import HOST, digest_of
from tests.controller.world import World, dumped
from tests.expectations import assert_follows_kstatus, summary

pytestmark = pytest.mark.cluster

GOOD = Path(__file__).parents[1] / "manifests" / "good"
OWNED = ("ServiceAccount", "Service", "Deployment")


def test_the_smallest_manifest_becomes_a_running_worker(world: World) -> None:
    """An image is enough: kubectl sees it through from apply to rollout, and finds nothing changed afterwards."""
    world.registry.push("1.4.2", "shop 1.4.2")
    manifest = f"--filename={GOOD / 'minimal.yaml'}"
    world.kubectl("apply", manifest)
    world.kubectl("wait", "--for=condition=Ready", "--timeout=60s", "capp/minimal")
    world.kubectl("rollout", "status", "deployment/minimal", "--timeout=60s")
    assert world.kubectl("diff", manifest) == ""
    assert world.image("minimal") == f"{HOST}/shop@{digest_of('shop 1.4.2')}"
    assert world.find("Service", "minimal") is None
    row = world.kubectl("get", "capp", "--no-headers").split()
    assert row[:5] == ["minimal", "True", "Running", "shop:1.4.2", "1"]


def _without_secrets(app: Manifest) -> str:
    """Return the manifest without what another controller, or another registry, would have to answer."""
    spec = app["spec"]
    for part in (spec, *spec.get("sidecars", ()), *spec.get("initContainers", ())):
        part.pop("secrets", None)
        part["image"] = spec["image"]  # the one registry that this cluster has
    return json.dumps(app)


def test_a_manifest_with_every_field_becomes_ready(world: World) -> None:
    """All children are accepted, strictly validated, where Pod Security `restricted` is enforced."""
    world.registry.push("1.4.2", "team shop 1.4.2", repository="team/shop")
    account = {"name": "shop", "namespace": world.namespace}
    world.api.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": account})
    manifest = _without_secrets(yaml.safe_load((GOOD / "full.yaml").read_text()))
    world.kubectl("apply", "--filename=-", stdin=manifest)
    app = world.await_ready("full")
    assert world.kubectl("diff", "--filename=-", stdin=manifest) == ""
    assert_follows_kstatus(app["status"])
    kinds = ["Service", "PodDisruptionBudget", "Deployment", "HorizontalPodAutoscaler"]
    assert [resource["kind"] for resource in app["status"]["resources"]] == kinds
    assert app["status"]["readyReplicas"] == 2
    assert app["status"]["url"] == f"http://full.{world.namespace}.svc"


def test_the_status_tells_what_runs_and_where(world: World) -> None:
    """Everything that a dashboard or a GitOps tool reads."""
    app = world.run("web", port=8080, replicas=2)
    status = app["status"]
    assert summary(status) == {
        "Ready": ("True", "Running"),
        "ImageResolved": ("True", "Resolved"),
        "Available": ("True", "PodsAvailable"),
        "RolledOut": ("True", "RolloutComplete"),
    }
    assert status["observedGeneration"] == app["metadata"]["generation"]
    assert status["image"] == {
        "requested": "shop:1.0",
        "reference": f"{HOST}/shop:1.0",
        "digest": digest_of("shop 1.0"),
    }
    assert (status["replicas"], status["updatedReplicas"], status["readyReplicas"]) == (2, 2, 2)
    assert status["url"] == f"http://web.{world.namespace}.svc:8080"
    kinds = ["ServiceAccount", "Service", "PodDisruptionBudget", "Deployment"]
    assert [resource["kind"] for resource in status["resources"]] == kinds


def test_nothing_of_the_operator_is_written_to_the_app_itself(world: World) -> None:
    """Neither annotations nor finalizers nor spec: the operator owns fields of the status alone."""
    app = world.run("untouched", port=8080)
    assert not app["metadata"].get("annotations")
    assert not app["metadata"].get("finalizers")
    managers = {entry["manager"]: entry.get("subresource", "") for entry in app["metadata"]["managedFields"]}
    assert managers == {"test-user": "", "containerapp-operator": "status"}


def test_describe_shows_that_it_was_rolled_out(world: World) -> None:
    """And says it once."""
    world.run("told", port=8080)
    world.until("an event is there", lambda: world.events("told"))
    text = world.kubectl("describe", "capp/told")
    assert re.search(
        r"Normal\s+RolledOut\s.*containerapp-operator\s+shop:1.0 \(sha256:.*\) runs in 1 Pod\.", text
    )
    assert [event["reason"] for event in world.events("told")] == ["RolledOut"]


def test_scaling_by_kubectl_or_by_an_autoscaler_changes_the_pods(world: World) -> None:
    """Both write to the scale subresource, and so find the Pods that they count by its selector."""
    world.run("elastic", port=8080)
    world.kubectl("scale", "capp/elastic", "--replicas=5")
    app = world.await_ready("elastic")
    assert app["status"]["readyReplicas"] == 5
    world.api.patch("ContainerApp", world.namespace, "elastic", {"spec": {"replicas": 2}}, "scale")
    assert world.await_ready("elastic")["status"]["replicas"] == 2
    selector = world.get("ContainerApp", "elastic")["status"]["selector"]
    world.until("two Pods are left", lambda: len(world.api.list("Pod", world.namespace, selector)) == 2)
    revisions = world.api.list("ReplicaSet", world.namespace, selector)
    assert len(revisions) == 1, "scaling restarted the Pods"


def test_a_suspended_app_keeps_all_but_its_pods(world: World) -> None:
    """Resumed, it runs the same image as before at the same address."""
    world.run("paused", port=8080, replicas=2)
    before = {kind: world.get(kind, "paused")["metadata"]["uid"] for kind in OWNED}
    world.apply("paused", port=8080, replicas=2, suspend=True)
    condition = world.await_condition("paused", "Ready", "True", "Suspended")
    assert "Set spec.suspend to false to start again" in condition["message"]
    assert world.get("ContainerApp", "paused")["status"]["replicas"] == 0
    world.apply("paused", port=8080, replicas=2, suspend=False)
    world.await_condition("paused", "Ready", "True", "Running")
    assert {kind: world.get(kind, "paused")["metadata"]["uid"] for kind in OWNED} == before


def test_a_new_image_rolls_the_pods(world: World) -> None:
    """Ready speaks of the new version alone."""
    digest = world.registry.push("2.0", "shop 2.0")
    world.run("release", port=8080, replicas=2)
    world.apply("release", port=8080, replicas=2, image="shop:2.0")
    app = world.await_ready("release")
    assert app["status"]["image"]["digest"] == digest
    selector = app["status"]["selector"]
    running = {
        pod["spec"]["containers"][0]["image"]
        for pod in world.api.list("Pod", world.namespace, selector)
        if "deletionTimestamp" not in pod["metadata"]
    }
    assert running == {f"{HOST}/shop@{digest}"}


def test_an_app_whose_pods_do_not_start_is_not_ready_and_says_why(world: World) -> None:
    """The message of the Pod reaches the app's status, and the old Pods go on."""
    world.run("stuck", port=8080)
    world.apply("stuck", port=8080, podAnnotations={"devcluster/behaviour": "crash-loop"})

    def complains() -> bool:
        ready = world.conditions("stuck").get("Ready", {})
        return ready.get("status") == "False" and "CrashLoopBackOff" in ready["message"]

    world.until("the status names the Pod's trouble", complains, names=["stuck"])
    assert summary(world.get("ContainerApp", "stuck")["status"])["Available"] == ("True", "PodsAvailable")


def test_another_strategy_restarts_no_pod(world: World) -> None:
    """From Rolling to Recreate, which excludes the numbers that Kubernetes keeps of the former, and back."""
    world.run("steps", port=8080)
    pods = {
        pod["metadata"]["uid"] for pod in world.api.list("Pod", world.namespace, "containerapp.dev/app=steps")
    }
    for rollout, strategy in (
        ({"strategy": "Recreate", "progressDeadlineSeconds": 900}, {"type": "Recreate"}),
        (
            {"maxSurge": 0, "maxUnavailable": 1},
            {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}},
        ),
    ):
        world.apply("steps", port=8080, rollout=rollout)
        world.await_ready("steps")
        assert world.get("Deployment", "steps")["spec"]["strategy"] == strategy
    assert pods == {
        pod["metadata"]["uid"] for pod in world.api.list("Pod", world.namespace, "containerapp.dev/app=steps")
    }


def test_a_port_that_is_removed_takes_its_service_along(world: World) -> None:
    """And a port that is added brings one."""
    world.run("portly", port=8080)
    world.apply("portly")
    world.until("the Service is gone", lambda: world.find("Service", "portly") is None, names=["portly"])
    app = world.await_ready("portly")
    world.until(
        "the status has no address", lambda: "url" not in world.get("ContainerApp", "portly")["status"]
    )
    assert {resource["kind"] for resource in app["status"]["resources"]} == {"ServiceAccount", "Deployment"}
    world.apply("portly", port=9090)
    world.until("there is a Service again", lambda: world.find("Service", "portly"), names=["portly"])
    world.await_ready("portly")


def test_a_deleted_app_takes_its_children_along(world: World) -> None:
    """By their owner references: the garbage collector needs no operator for it."""
    world.run("brief", port=8080)
    children = [world.get(kind, "brief") for kind in OWNED]
    assert [owner["kind"] for child in children for owner in child["metadata"]["ownerReferences"]] == [
        "ContainerApp"
    ] * 3
    world.delete("ContainerApp", "brief")
    world.until("all children are gone", lambda: not any(world.find(kind, "brief") for kind in OWNED))
    world.settle()
    assert not any(world.find(kind, "brief") for kind in OWNED), "something came back"


def test_an_app_that_is_edited_without_end_is_held_off_and_says_so_once(world: World) -> None:
    """The last edit comes true all the same."""
    world.run("restless", port=8080)
    serials = iter(range(1000))

    def edited_and_limited() -> bool:
        annotations = {"serial": str(next(serials))}
        world.patch("ContainerApp", "restless", {"spec": {"service": {"annotations": annotations}}})
        return "RateLimited" in [event["reason"] for event in world.events("restless")]

    world.until("an event tells it", edited_and_limited, names=["restless"])
    last = str(next(serials) - 1)
    world.until(
        "the last edit is written",
        lambda: world.get("Service", "restless")["metadata"]["annotations"].get("serial") == last,
        names=["restless"],
    )
    world.await_ready("restless")
    assert [event["reason"] for event in world.events("restless")].count("RateLimited") == 1


def test_an_app_that_is_deleted_and_made_again_at_once_gets_children_of_its_own(world: World) -> None:
    """The old ones are on their way out, under the same names."""
    world.run("phoenix", port=8080)
    old = {kind: world.get(kind, "phoenix")["metadata"]["uid"] for kind in OWNED}
    world.delete("ContainerApp", "phoenix")
    app = world.apply("phoenix", port=8080)

    def reborn() -> bool:
        children = [world.find(kind, "phoenix") for kind in OWNED]
        return all(_owner(child) == app["metadata"]["uid"] for child in children)

    world.until("all children belong to the new app", reborn, names=["phoenix"])
    world.await_ready("phoenix")
    assert not set(old.values()) & {world.get(kind, "phoenix")["metadata"]["uid"] for kind in OWNED}


def test_an_app_that_is_made_again_does_not_wait_for_the_garbage_collector(world: World) -> None:
    """That one may be far behind after an outage; what a dead app left under the name is nobody's for certain."""
    if world.cluster.supervision is None:
        pytest.skip("this cluster's garbage collector cannot be stopped")
    world.run("hasty", port=8080)
    world.cluster.stop("kube-controller-manager")
    try:
        world.delete("ContainerApp", "hasty")
        world.patch("Service", "hasty", {"metadata": {"labels": None}})  # so that no watch of ours sees it
        app = world.apply("hasty", port=8080)
        world.until(
            "all children belong to the new app",
            lambda: all(_owner(world.find(kind, "hasty")) == app["metadata"]["uid"] for kind in OWNED),
            names=["hasty"],
        )
    finally:
        world.cluster.start("kube-controller-manager")
    world.await_ready("hasty")


async def test_the_status_of_a_former_app_is_not_written_on_its_successor(
    world: World, own_operator: Operator, log_in: Callable[[Path], None]
) -> None:
    """What the former one ran would be on record for the new one: its digest, for one."""
    former = world.apply("twice")
    world.delete("ContainerApp", "twice")
    world.apply("twice")
    log_in(own_operator.identity.kubeconfig)
    async with connect(lambda *_: None) as client:
        controller, key = CONTROLLERS[0], Key("ContainerApp", world.namespace, "twice")
        stores = Stores(CONTROLLERS)
        stores.put_object(key, former)
        reconciler = Reconciler(
            controllers={key.kind: controller},
            client=client,
            stores=stores,
            applier=Applier(client=client, stores=stores, adopted=Mock()),
            digests=Mock(),
            recorder=Mock(),
            platform=Platform(default_registry=HOST),
            clock=time.monotonic,
            now=lambda: datetime.now(UTC),
        )
        memory, _ = Memories().of(key, former, time.monotonic())
        turn = Turn(
            controller=controller, key=key, manifest=former, obj=None, memory=memory, platform=Platform()
        )
        with pytest.raises(Transient, match="has been modified"):
            await reconciler._finish(turn, {"selector": "former"}, Next())
    assert "selector" not in world.get("ContainerApp", "twice")["status"]


def test_what_a_user_has_kept_of_a_deleted_app_is_left_alone(world: World) -> None:
    """Whoever deletes with `--cascade=orphan` wants the children to live; a new app of the name asks first."""
    world.run("keepsake", port=8080)
    kept = {kind: world.get(kind, "keepsake")["metadata"]["uid"] for kind in OWNED}
    world.kubectl("delete", "capp", "keepsake", "--cascade=orphan")
    world.apply("keepsake", port=8080)
    world.await_condition("keepsake", "Ready", "False", "NameTaken")
    assert {kind: world.get(kind, "keepsake")["metadata"]["uid"] for kind in OWNED} == kept
    world.apply("keepsake", annotations={"containerapp.dev/adopt": "true"}, port=8080)
    world.await_ready("keepsake")
    assert {kind: world.get(kind, "keepsake")["metadata"]["uid"] for kind in OWNED} == kept


def test_a_namespace_may_be_deleted_in_mid_flight(world: World) -> None:
    """It goes, the operator makes no fuss, and other namespaces go on."""
    for number in range(5):
        world.apply(f"doomed-{number}", port=8080, replicas=2)
    world.until(
        "the first child is there",
        lambda: world.api.list("ServiceAccount", world.namespace, "app.kubernetes.io/name"),
    )
    world.api.delete("Namespace", None, world.namespace)
    world.until("the namespace is gone", lambda: world.api.find("Namespace", None, world.namespace) is None)
    assert world.operator.metric("containerapp_reconciles_total", outcome="bug") == 0
    assert not [line for line in world.operator.lines() if line.get("level") == "ERROR"]


def test_a_drain_may_take_one_of_several_pods_and_the_only_one(world: World) -> None:
    """The budget comes with the second Pod and goes with it."""
    world.run("drained", port=8080, replicas=3)
    world.until(
        "one Pod may be evicted",
        lambda: world.get("PodDisruptionBudget", "drained").get("status", {}).get("disruptionsAllowed") == 1,
    )
    world.kubectl("scale", "capp/drained", "--replicas=1")
    world.until("there is no budget", lambda: world.find("PodDisruptionBudget", "drained") is None)


def test_the_app_can_be_applied_from_standard_input_by_another_tool_without_a_conflict(world: World) -> None:
    """The operator owns no field of the spec that anybody could be in conflict with."""
    world.run("shared", port=8080)
    manifest = world.app("shared", port=8080)
    world.kubectl("apply", "--server-side", "--field-manager=flux", "--filename=-", stdin=dumped(manifest))
    assert (
        world.kubectl("diff", "--server-side", "--field-manager=flux", "--filename=-", stdin=dumped(manifest))
        == ""
    )


def _owner(child: Manifest | None) -> str | None:
    references = (child or {}).get("metadata", {}).get("ownerReferences") or [{}]
    owner: str | None = references[0].get("uid")
    return owner
