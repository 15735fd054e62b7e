"""Whose field is whose: what the app sets is kept true, what others set or own is left alone."""

from __future__ import annotations

from typing import Any

import pytest

from tests.controller.api import Manifest
from tests.controller.world import World

pytestmark = pytest.mark.cluster

_MEDDLINGS: dict[str, tuple[str, Any]] = {
    "an image edited by hand": (
        "Deployment",
        [{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "evil:1"}],
    ),
    "a Deployment scaled by hand": ("Deployment", {"spec": {"replicas": 7}}),
    "a label removed": ("Deployment", {"metadata": {"labels": {"app.kubernetes.io/version": None}}}),
    "the label removed by which it is watched": (
        "Service",
        {"metadata": {"labels": {"app.kubernetes.io/managed-by": None}}},
    ),
    "an annotation of the operator changed": (
        "Deployment",
        {"metadata": {"annotations": {"containerapp.dev/image-digest": "sha256:0"}}},
    ),
    "a Pod label changed": (
        "Deployment",
        {"spec": {"template": {"metadata": {"labels": {"app.kubernetes.io/version": "9"}}}}},
    ),
    "an environment variable changed": (
        "Deployment",
        [{"op": "replace", "path": "/spec/template/spec/containers/0/env/0/value", "value": "evil"}],
    ),
    "security weakened": (
        "Deployment",
        {"spec": {"template": {"spec": {"securityContext": {"seccompProfile": {"type": "Unconfined"}}}}}},
    ),
    "a rollout strategy changed": (
        "Deployment",
        {"spec": {"strategy": {"type": "Recreate", "rollingUpdate": None}}},
    ),
    "a Service's selector changed": ("Service", {"spec": {"selector": {"containerapp.dev/app": "other"}}}),
    "a Service's selector narrowed": ("Service", {"spec": {"selector": {"track": "canary"}}}),
    "a Service's port changed": (
        "Service",
        [{"op": "replace", "path": "/spec/ports/0/port", "value": 81}],
    ),
    "a Service's type changed": ("Service", {"spec": {"type": "NodePort"}}),
    "a container's port changed": (
        "Deployment",
        [{"op": "replace", "path": "/spec/template/spec/containers/0/ports/0/containerPort", "value": 81}],
    ),
    "a token mounted": ("ServiceAccount", {"automountServiceAccountToken": True}),
}


def test_whatever_is_changed_by_hand_is_repaired(world: World) -> None:
    """Each meddling happens to an app of its own, all at once."""
    cases = {f"drift-{number}": case for number, case in enumerate(_MEDDLINGS.items())}
    for name in cases:
        world.apply(name, port=8080, env=[{"name": "MODE", "value": "good"}])
    world.await_all_ready(cases)
    before = {name: world.get(kind, name) for name, (_, (kind, _)) in cases.items()}
    for name, (_, (kind, change)) in cases.items():
        changed = world.patch(kind, name, change)
        assert _wanted(changed) != _wanted(before[name]), "the meddling changed nothing"
    unrepaired = dict(cases)

    def repaired() -> bool:
        for name, (_, (kind, _)) in list(unrepaired.items()):
            if _wanted(world.get(kind, name)) == _wanted(before[name]):
                del unrepaired[name]
        return not unrepaired

    try:
        world.until("everything is as before", repaired, timeout=30)
    except AssertionError as error:
        raise AssertionError(f"not repaired: {[what for what, _ in unrepaired.values()]}\n{error}") from None
    world.await_all_ready(cases)


@pytest.mark.parametrize("kind", ["ServiceAccount", "Service", "Deployment"])
def test_a_deleted_child_is_made_again(world: World, kind: str) -> None:
    """The app ends up Ready with all its children."""
    app = world.run("robbed", port=8080)
    old = world.get(kind, "robbed")["metadata"]["uid"]
    world.delete(kind, "robbed")
    world.until(
        f"there is a new {kind}",
        lambda: (world.find(kind, "robbed") or {"metadata": {"uid": old}})["metadata"]["uid"] != old,
        names=["robbed"],
    )
    assert world.await_ready("robbed")["status"]["resources"] == app["status"]["resources"]


def test_a_child_that_carries_the_owner_reference_without_being_wanted_is_pruned(world: World) -> None:
    """A copied Deployment would run the app twice, and in its load balancing."""
    world.run("original", port=8080)
    original = world.get("Deployment", "original")
    kept = ("labels", "ownerReferences", "namespace")
    copy = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {key: original["metadata"][key] for key in kept} | {"name": "copy"},
        "spec": original["spec"],
    }
    world.api.create(copy)
    world.until("the copy is gone", lambda: world.find("Deployment", "copy") is None, names=["original"])
    assert world.get("Deployment", "original")["metadata"]["uid"] == original["metadata"]["uid"]


def test_a_child_that_loses_its_labels_is_pruned_nevertheless(world: World) -> None:
    """No watch shows it any more; that it was there is known from the status alone."""
    world.run("unlabelled", port=8080)
    with world.operator.paused():  # lest it gives them back while the account is still wanted
        world.patch("ServiceAccount", "unlabelled", {"metadata": {"labels": None}})
        world.apply("unlabelled", port=8080, serviceAccountName="default")
    world.until(
        "the account is gone",
        lambda: world.find("ServiceAccount", "unlabelled") is None,
        names=["unlabelled"],
    )
    world.until(
        "the status names it no more",
        lambda: (
            [resource["kind"] for resource in world.await_ready("unlabelled")["status"]["resources"]]
            == ["Service", "Deployment"]
        ),
        names=["unlabelled"],
    )


def test_a_child_that_loses_its_owner_is_nobodys_until_it_is_adopted(world: World) -> None:
    """The operator cannot tell it from a foreign object under its name."""
    world.run("orphan", port=8080)
    world.patch("Service", "orphan", {"metadata": {"ownerReferences": None}})
    world.await_condition("orphan", "Ready", "False", "NameTaken")
    world.kubectl("annotate", "capp/orphan", "containerapp.dev/adopt=true")
    world.await_ready("orphan")


def test_what_others_add_is_left_alone(world: World) -> None:
    """Annotations of other controllers, a sidecar and a variable that a webhook injects, labels, a nodePort's like."""
    world.run("befriended", port=8080)
    world.settle()
    position = world.audit.position()
    world.patch(
        "Service",
        "befriended",
        {"metadata": {"annotations": {"example.com/dns": "yes"}, "labels": {"team": "a"}}},
    )
    account = world.patch(
        "ServiceAccount", "befriended", {"metadata": {"annotations": {"example.com/role": "r"}}}
    )
    service = world.patch("Service", "befriended", {"spec": {"sessionAffinity": "ClientIP"}})
    sidecar = {"name": "mesh", "image": "mesh:1", **_restricted()}
    injected = {
        "metadata": {"annotations": {"example.com/injected": "true"}, "labels": {"mesh": "on"}},
        "spec": {
            "containers": [sidecar, {"name": "app", "env": [{"name": "MESH", "value": "on"}]}],
            "initContainers": [sidecar | {"name": "mesh-init"}],
            "volumes": [{"name": "certs", "emptyDir": {}}],
            "tolerations": [{"key": "spot", "operator": "Exists"}],
            "priorityClassName": "system-cluster-critical",
            "dnsPolicy": "Default",
        },
    }
    change = {
        "metadata": {"annotations": {"deployment.kubernetes.io/note": "n"}},
        "spec": {"template": injected},
    }
    deployment = world.api.merge("Deployment", world.namespace, "befriended", change)
    world.settle()
    for changed in (account, service, deployment):
        assert _wanted(world.get(changed["kind"], "befriended")) == _wanted(changed)
    assert _writes_to_children(world, position) == []
    world.await_ready("befriended")
    world.apply("befriended", port=8080, env=[{"name": "MODE", "value": "new"}])
    world.await_ready("befriended")
    template = world.get("Deployment", "befriended")["spec"]["template"]
    containers = {item["name"]: item for item in template["spec"]["containers"]}
    assert containers["mesh"]["image"] == "mesh:1"
    assert {item["name"] for item in containers["app"]["env"]} == {"MESH", "MODE"}
    assert template["metadata"]["annotations"]["example.com/injected"] == "true"


@pytest.mark.parametrize("kind", ["ServiceAccount", "Service", "Deployment"])
def test_an_object_that_is_not_ours_is_refused_and_stays_as_it_is(world: World, kind: str) -> None:
    """Until the user says by annotation that the app may have it; labels alone make it nobody's."""
    for name, labels in (("theirs", {}), ("lookalike", _our_labels("lookalike"))):
        foreign = world.api.create(_foreign(world, kind, name, labels))
        world.apply(name, port=8080)
        condition = world.await_condition(name, "Ready", "False", "NameTaken")
        assert f"{kind} {name} exists already" in condition["message"]
        assert "containerapp.dev/adopt" in condition["message"]
        world.await_condition(name, "Stalled", "True", "NameTaken")
        assert _without_status(world.get(kind, name)) == _without_status(foreign)
        assert kind not in [found["kind"] for found in world.get("ContainerApp", name)["status"]["resources"]]
        world.kubectl("annotate", f"capp/{name}", "containerapp.dev/adopt=true")
        world.await_ready(name)
        adopted = world.get(kind, name)
        assert adopted["metadata"]["uid"] == foreign["metadata"]["uid"]
        assert "ownerReferences" not in adopted["metadata"]
        _await_adoption(world, name, {"ContainerApp", kind})


def test_an_adopted_object_outlives_the_app_and_its_wish(world: World) -> None:
    """It is released where it is no longer wanted, and left where the app is deleted."""
    for name in ("released", "outliving"):
        service = world.api.create(_foreign(world, "Service", name, {}))
        world.apply(name, annotations={"containerapp.dev/adopt": "true"}, port=8080)
        world.await_ready(name)
        assert world.get("Service", name)["metadata"]["uid"] == service["metadata"]["uid"]
    world.apply("released", annotations={"containerapp.dev/adopt": "true"})
    world.until("it is released", lambda: "containerapp.dev/app" not in _labels(world, "released"))
    world.delete("ContainerApp", "outliving")
    world.until("its own Deployment is gone", lambda: world.find("Deployment", "outliving") is None)
    assert world.find("Service", "released")
    assert world.find("Service", "outliving")


def test_what_a_controller_owns_or_kubernetes_keeps_is_not_adopted(world: World) -> None:
    """Nor is anything in a namespace that the platform has not named."""
    world.run("owner", port=8080)
    deployment = world.get("Deployment", "owner")["metadata"]
    reference = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "owner", "uid": deployment["uid"]}
    owned = _foreign(world, "Service", "owned", {})
    world.api.create(
        {**owned, "metadata": {**owned["metadata"], "ownerReferences": [reference | {"controller": True}]}}
    )
    for name in ("owned", "default"):
        world.apply(name, annotations={"containerapp.dev/adopt": "true"}, port=8080)
        world.await_condition(name, "Ready", "False", "NameTaken")
    elsewhere = world.app("kubernetes", {"containerapp.dev/adopt": "true"}, port=8080)
    before = world.api.get("Service", "default", "kubernetes")
    world.api.apply(elsewhere | {"metadata": elsewhere["metadata"] | {"namespace": "default"}})
    try:
        world.until(
            "it is refused",
            lambda: "NameTaken" in str(world.api.get("ContainerApp", "default", "kubernetes").get("status")),
        )
        assert world.api.get("Service", "default", "kubernetes")["spec"] == before["spec"]
    finally:
        world.api.delete("ContainerApp", "default", "kubernetes")


def _labels(world: World, service: str) -> dict[str, str]:
    return dict(world.get("Service", service)["metadata"].get("labels") or {})


def _await_adoption(world: World, name: str, kinds: set[str]) -> None:
    world.until("an event on both records it", lambda: _adoptions(world, name) == kinds)


def _adoptions(world: World, name: str) -> set[str]:
    """Return the kinds of the objects that have an event of the adoption."""
    return {
        event["involvedObject"]["kind"]
        for event in world.api.list("Event", world.namespace)
        if event["reason"] == "Adopted" and event["involvedObject"]["name"] == name
    }


def _wanted(manifest: Manifest) -> Manifest:
    """What a repair must bring back: everything but the marks of each write."""
    metadata = {
        key: value
        for key, value in manifest["metadata"].items()
        if key not in {"resourceVersion", "generation", "managedFields"}
    }
    annotations = {
        key: value
        for key, value in metadata.get("annotations", {}).items()
        if key != "deployment.kubernetes.io/revision"
    }
    rest = {key: value for key, value in manifest.items() if key not in {"metadata", "status"}}
    return rest | {"metadata": metadata | {"annotations": annotations}}


def _without_status(manifest: Manifest) -> Manifest:
    """The object as its owner wrote it."""
    return {key: manifest.get(key) for key in ("spec", "automountServiceAccountToken")} | {
        "metadata": {
            key: manifest["metadata"].get(key) for key in ("uid", "labels", "ownerReferences", "generation")
        }
    }


def _writes_to_children(world: World, position: int) -> list[str]:
    requests = world.audit.since(position, namespace=world.namespace)
    kinds = {"serviceaccounts", "services", "deployments"}
    return [str(request) for request in requests if request.is_write and request.resource in kinds]


def _our_labels(name: str) -> dict[str, str]:
    return {
        "containerapp.dev/app": name,
        "app.kubernetes.io/name": name,
        "app.kubernetes.io/managed-by": "containerapp-operator",
    }


def _our_selector(name: str) -> dict[str, str]:
    return {"containerapp.dev/app": name, "containerapp.dev/track": "stable"}


def _foreign(world: World, kind: str, name: str, labels: dict[str, str]) -> Manifest:
    """An object under the app's name that somebody else has made.

    The Deployment's selector is the app's: it can never be changed, so no other could be adopted.
    """
    manifest: Manifest = {
        "apiVersion": "apps/v1" if kind == "Deployment" else "v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": world.namespace, "labels": labels},
    }
    if kind == "Service":
        return manifest | {"spec": {"selector": {"app": "other"}, "ports": [{"port": 80}]}}
    if kind == "ServiceAccount":
        return manifest
    container = {"name": "other", "image": "other:1", **_restricted()}
    template = {"metadata": {"labels": _our_selector(name)}, "spec": {"containers": [container]}}
    return manifest | {"spec": {"selector": {"matchLabels": _our_selector(name)}, "template": template}}


def _restricted() -> Manifest:
    """What the namespace's Pod Security standard asks of every container."""
    security = {
        "allowPrivilegeEscalation": False,
        "runAsNonRoot": True,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    return {"securityContext": security}
