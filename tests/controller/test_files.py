"""Files and volumes on a real API server: what comes, changes and goes with them, and what stays."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.controller.api import Manifest
from tests.controller.world import World

pytestmark = pytest.mark.cluster

_ROLLOUT = {"minReadySeconds": 0}


def _revision(world: World, name: str) -> str:
    """Return the revision that the Pods of an app have."""
    labels: Manifest = world.get("Deployment", name)["spec"]["template"]["metadata"]["labels"]
    return str(labels["containerapp.dev/revision"])


def _config_map(world: World, name: str, **data: str) -> None:
    metadata = {"name": name, "namespace": world.namespace}
    world.api.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})


def _secret(world: World, name: str, **data: str) -> None:
    metadata = {"name": name, "namespace": world.namespace}
    world.api.apply({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": data})


def _texts(world: World, name: str) -> set[str]:
    found = world.api.list("ConfigMap", world.namespace, f"containerapp.dev/app={name}")
    return {each["metadata"]["name"] for each in found}


def _pods(world: World, name: str) -> set[str]:
    return {
        pod["metadata"]["uid"]
        for pod in world.api.list("Pod", world.namespace, f"containerapp.dev/app={name}")
        if "deletionTimestamp" not in pod["metadata"]
    }


@pytest.fixture
def storage(world: World) -> Iterator[str]:
    """A class that can grow, and a volume of it for the claim `shop-data`; the name of both."""
    name = f"{world.namespace}-disk"
    world.api.apply(
        {
            "apiVersion": "storage.k8s.io/v1",
            "kind": "StorageClass",
            "metadata": {"name": name},
            "provisioner": "example.com/disks",
            "allowVolumeExpansion": True,
        }
    )
    spec = {
        "capacity": {"storage": "20Gi"},
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": name,
        "hostPath": {"path": "/data"},
        "claimRef": {"namespace": world.namespace, "name": "shop-data"},
    }
    world.api.apply(
        {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name}, "spec": spec}
    )
    yield name
    world.api.delete("PersistentVolume", None, name)
    world.api.delete("StorageClass", None, name)


def _volumes(storage: str, size: str = "10Gi", **claim: Any) -> list[Manifest]:
    claimed = {"size": size, "storageClass": storage, **claim}
    return [
        {"name": "data", "mountPath": "/data", "claim": claimed},
        {"name": "cache", "mountPath": "/cache", "emptyDir": {"medium": "Memory", "sizeLimit": "1024Mi"}},
        {"name": "scratch", "mountPath": "/scratch", "emptyDir": {}},
    ]


def test_an_app_with_files_and_volumes_is_at_rest(world: World, storage: str) -> None:
    """Kubernetes fills in defaults and writes amounts otherwise: neither is a difference."""
    _config_map(world, "flags", a="1")
    files = [
        {"path": "/etc/shop/shop.yaml", "content": "currency: EUR\n", "mode": 0o400},
        {"path": "/etc/flags", "configMap": "flags", "keys": ["a"], "optional": True, "mode": 0},
        {"path": "/etc/shop/a", "configMap": "flags", "key": "a"},
    ]
    world.run("shop", files=files, volumes=_volumes(storage))
    assert world.conditions("shop")["VolumesReady"]["reason"] == "ClaimsBound"
    world.settle()
    position = world.audit.position()
    world.operator.kill()
    world.operator.start()
    world.patch("ContainerApp", "shop", {"metadata": {"annotations": {"a": "b"}}})
    world.settle()
    assert [each for each in world.audit.since(position, namespace=world.namespace) if each.is_write] == []


def test_texts_of_older_revisions_are_kept_and_those_of_the_app_go_with_it(world: World) -> None:
    """A rollback finds its texts; the history does not grow without end."""

    def change(content: str) -> None:
        files = [{"path": "/etc/shop.yaml", "content": content}]
        world.run("shop", files=files, rollout={**_ROLLOUT, "historyLimit": 1})

    change("a")
    first = _texts(world, "shop")
    change("b")
    both = _texts(world, "shop")
    assert len(both) == 2
    assert first < both
    world.run("shop", files=[{"path": "/etc/shop.yaml", "content": "b"}], rollout={**_ROLLOUT, "revision": 1})
    (volume,) = world.get("Deployment", "shop")["spec"]["template"]["spec"]["volumes"]
    assert {volume["configMap"]["name"]} == first
    for content in ("c", "d"):
        change(content)
    world.until("the oldest text is gone", lambda: not first & _texts(world, "shop"))
    assert len(_texts(world, "shop")) <= 3
    world.delete("ContainerApp", "shop")
    world.until("the texts are gone", lambda: not _texts(world, "shop"))


def test_a_claim_outlives_its_volume_and_its_app_and_is_taken_again(world: World, storage: str) -> None:
    """With its data: the object stays the same."""
    world.run("shop", volumes=_volumes(storage), rollout=_ROLLOUT)
    uid = world.get("PersistentVolumeClaim", "shop-data")["metadata"]["uid"]
    world.run("shop", rollout=_ROLLOUT)
    assert "shop-data" in [each["name"] for each in world.get("ContainerApp", "shop")["status"]["resources"]]
    world.delete("ContainerApp", "shop")
    world.until("the app's children are gone", lambda: world.find("Deployment", "shop") is None)
    world.run("shop", volumes=_volumes(storage), rollout=_ROLLOUT)
    claim = world.get("PersistentVolumeClaim", "shop-data")
    assert claim["metadata"]["uid"] == uid
    assert "deletionTimestamp" not in claim["metadata"]


def test_a_claim_that_is_not_retained_goes_with_its_app(world: World, storage: str) -> None:
    """Also where it was retained before."""
    world.run("shop", volumes=_volumes(storage), rollout=_ROLLOUT)
    world.run("shop", volumes=_volumes(storage, retain=False), rollout=_ROLLOUT)
    metadata = world.get("PersistentVolumeClaim", "shop-data")["metadata"]
    assert [owner["name"] for owner in metadata["ownerReferences"]] == ["shop"]
    assert "containerapp.dev/retained" not in metadata["annotations"]
    world.delete("ContainerApp", "shop")
    world.until("the claim is gone", lambda: _is_going(world, "shop-data"))


def _is_going(world: World, name: str) -> bool:
    claim = world.find("PersistentVolumeClaim", name)
    return claim is None or "deletionTimestamp" in claim["metadata"]


def test_a_claim_grows_without_a_restart_and_never_shrinks(world: World, storage: str) -> None:
    """To ask for less is refused with the reason, and the app runs on."""
    world.run("shop", volumes=_volumes(storage), rollout=_ROLLOUT)
    pods = _pods(world, "shop")
    world.apply("shop", volumes=_volumes(storage, "15Gi"), rollout=_ROLLOUT)
    world.until("the claim asks for more", lambda: _asked(world) == "15Gi")
    world.apply("shop", volumes=_volumes(storage, "5Gi"), rollout=_ROLLOUT)
    condition = world.await_condition("shop", "Stalled", "True", "ClaimCannotChange")
    assert "set size back to 15Gi" in condition["message"]
    assert _asked(world) == "15Gi"
    assert _pods(world, "shop") == pods


def _asked(world: World) -> str:
    claim = world.get("PersistentVolumeClaim", "shop-data")
    return str(claim["spec"]["resources"]["requests"]["storage"])


@pytest.mark.timeout(240)
def test_a_changed_config_map_or_secret_rolls_exactly_who_names_it(world: World) -> None:
    """By its data, not by its labels; and not where `reload` is false, nor because the operator restarts."""
    _config_map(world, "config", a="1")
    _config_map(world, "other", a="1")
    _secret(world, "token", a="1")
    by_map = [{"configMapRef": {"name": "config"}}]
    world.apply("by-map", envFrom=by_map, rollout=_ROLLOUT)
    world.apply("by-secret", files=[{"path": "/etc/token", "secret": "token"}], rollout=_ROLLOUT)
    world.apply("by-other", envFrom=[{"configMapRef": {"name": "other"}}], rollout=_ROLLOUT)
    world.apply("frozen", envFrom=by_map, reload=False, rollout=_ROLLOUT)
    names = ("by-map", "by-secret", "by-other", "frozen")
    world.await_all_ready(names)

    def revisions() -> list[str]:
        return [_revision(world, name) for name in names]

    for kind, name in (("ConfigMap", "config"), ("Secret", "token")):
        world.patch(kind, name, {"metadata": {"labels": {"team": "shop"}}})
    world.operator.kill()
    world.operator.start()
    world.settle()
    assert revisions() == ["1", "1", "1", "1"]
    _config_map(world, "config", a="2")
    world.until("who names the ConfigMap rolls", lambda: _revision(world, "by-map") == "2", names=names)
    _secret(world, "token", a="2")
    world.until("who names the Secret rolls", lambda: _revision(world, "by-secret") == "2", names=names)
    world.await_all_ready(names)
    world.settle()
    assert revisions() == ["2", "2", "1", "1"]
    position = world.audit.position()
    world.operator.kill()
    world.operator.start()
    world.settle()
    assert [each for each in world.audit.since(position, namespace=world.namespace) if each.is_write] == []
    pods = _pods(world, "frozen")
    world.run("frozen", envFrom=[{"configMapRef": {"name": "config"}}], rollout=_ROLLOUT)
    world.until("the change that was left out is made up for", lambda: _revision(world, "frozen") == "2")
    world.until("other Pods run", lambda: not pods & _pods(world, "frozen"))


def test_an_object_that_comes_late_restarts_nobody_and_its_next_change_does(world: World) -> None:
    """Pods wait for it, and start by themselves."""
    world.apply("shop", envFrom=[{"configMapRef": {"name": "late"}}], rollout=_ROLLOUT)
    world.until("the Deployment is there", lambda: world.find("Deployment", "shop"))
    _config_map(world, "late", a="1")
    world.await_ready("shop")
    world.settle()
    assert _revision(world, "shop") == "1"
    world.delete("ConfigMap", "late")
    world.settle()
    assert _revision(world, "shop") == "1"
    _config_map(world, "late", a="2")
    world.until("the new object rolls", lambda: _revision(world, "shop") == "2", names=["shop"])
