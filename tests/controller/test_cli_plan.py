"""`containerapp plan` equals what the operator then does, and writes nothing: random edits, against the audit log."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml

from containerapp.api.containerapp import ContainerApp
from containerapp.core.changes import changes
from containerapp.errors import InvalidSpec
from tests.controller.api import PLURALS, Manifest
from tests.controller.operators import eventually
from tests.controller.person import Person
from tests.controller.registry import Registry
from tests.controller.world import World

pytestmark = pytest.mark.cluster

KINDS = ("ServiceAccount", "Service", "Deployment", "HorizontalPodAutoscaler", "PodDisruptionBudget")
EDITS = 20
_BY_CHANCE = ("clusterIP", "clusterIPs", "ownerReferences", "nodePort", "containerapp.dev/revision")
"""Fields that the API server draws by lot, identities that it gives, and numbers that may have gaps."""
APPS = 5
"""Edited in turn: one that is edited all the time is rate-limited."""

Draw = Callable[[random.Random], Any]
_PROBE = {"httpGet": {"path": "/healthz"}, "periodSeconds": 5}
FIELDS: dict[str, Draw] = {
    "image": lambda chance: f"shop:{chance.choice(['1.0', '1.1', '2.0'])}",
    "replicas": lambda chance: chance.randint(0, 3),
    "port": lambda chance: chance.choice([8080, 9090, None]),
    "env": lambda chance: [
        {"name": name, "value": str(chance.randint(0, 2))} for name in "AB"[: chance.randint(0, 2)]
    ],
    "command": lambda chance: chance.choice([["/shop"], ["/shop", "-v"], None]),
    "args": lambda chance: chance.choice([["serve"], None]),
    "resources": lambda chance: chance.choice([{"requests": {"cpu": "0.5", "memory": "1Gi"}}, None]),
    "autoscaling": lambda chance: chance.choice(
        [{"minReplicas": chance.randint(1, 2), "maxReplicas": 3}, None]
    ),
    "disruption": lambda chance: chance.choice([{"maxUnavailable": "50%"}, None]),
    "rollout": lambda chance: chance.choice([{"strategy": "Recreate"}, {"maxSurge": 1}, None]),
    "readinessProbe": lambda chance: chance.choice([_PROBE, None]),
    "livenessProbe": lambda chance: chance.choice([_PROBE, None]),
    "terminationGracePeriodSeconds": lambda chance: chance.choice([0, 5, 30]),
    "security": lambda chance: chance.choice([{"runAsUser": 1000}, {"readOnlyRootFilesystem": True}, None]),
    "labels": lambda chance: chance.choice([{"team": "checkout"}, None]),
    "podLabels": lambda chance: chance.choice([{"team": "checkout"}, None]),
    "podAnnotations": lambda chance: chance.choice([{"a": "1"}, None]),
    "service": lambda chance: chance.choice([{"annotations": {"a": "1"}}, None]),
    "serviceAccountName": lambda chance: chance.choice(["default", None]),
    "suspend": lambda chance: chance.choice([True, False, False]),
}


def edited(spec: Manifest, chance: random.Random) -> Manifest:
    """Return the spec with one to three fields drawn again, such that the API takes it."""
    while True:
        drawn = {name: FIELDS[name](chance) for name in chance.sample(sorted(FIELDS), chance.randint(1, 3))}
        new = {key: value for key, value in {**spec, **drawn}.items() if value is not None}
        manifest = {
            "apiVersion": "containerapp.dev/v1alpha1",
            "kind": "ContainerApp",
            "metadata": {"name": "shop"},
            "spec": new,
        }
        try:
            ContainerApp.parse(manifest)
        except InvalidSpec:
            continue
        return new


def children(world: World, name: str) -> dict[tuple[str, str], Manifest]:
    """Return the app's children as they live."""
    selector = f"containerapp.dev/app={name},app.kubernetes.io/managed-by=containerapp-operator"
    return {
        (kind, item["metadata"]["name"]): item
        for kind in KINDS
        for item in world.api.list(kind, world.namespace, selector)
        if "deletionTimestamp" not in item["metadata"]
    }


def pods(world: World, name: str) -> set[str]:
    """Return the uids of the Pods that run."""
    listed = world.api.list("Pod", world.namespace, f"containerapp.dev/app={name}")
    return {pod["metadata"]["uid"] for pod in listed if "deletionTimestamp" not in pod["metadata"]}


def planned(app: dict[str, Any]) -> dict[tuple[str, str], tuple[str, dict[str, Any]]]:
    """Return what the plan says of each object that changes: the action, and each field's value afterwards."""
    return {
        (each["kind"], each["name"]): (
            each["action"],
            {
                field["path"]: certain(field["after"])
                for field in each["fields"]
                if not _by_chance(field["path"])
            },
        )
        for each in app["objects"]
        if each["action"] != "none"
    }


def happened(
    before: dict[tuple[str, str], Manifest], after: dict[tuple[str, str], Manifest]
) -> dict[tuple[str, str], tuple[str, dict[str, Any]]]:
    """Return the same of what has come about."""
    return {identity: told for identity, told in _differences(before, after) if told[0] != "none"}


def _differences(
    before: dict[tuple[str, str], Manifest], after: dict[tuple[str, str], Manifest]
) -> Iterator[tuple[tuple[str, str], tuple[str, dict[str, Any]]]]:
    for identity in before.keys() | after.keys():
        old, new = before.get(identity), after.get(identity)
        fields = {each.path: certain(each.after) for each in changes(old, new) if not _by_chance(each.path)}
        action = "create" if old is None else "delete" if new is None else "change" if fields else "none"
        yield identity, (action, fields)


def certain(value: Any) -> Any:
    """Return a value without what is drawn by lot."""
    if isinstance(value, dict):
        return {key: certain(part) for key, part in value.items() if key not in _BY_CHANCE}
    return [certain(item) for item in value] if isinstance(value, list) else value


Outcomes = dict[tuple[str, str], tuple[str, dict[str, Any]]]


def without_scaling(told: Outcomes, spec: Manifest) -> Outcomes:
    """Return the same without the number of Pods, where that is an autoscaler's."""
    if "autoscaling" not in spec or spec.get("suspend"):
        return told
    kept = {
        identity: (action, {path: value for path, value in fields.items() if path != "spec.replicas"})
        for identity, (action, fields) in told.items()
    }
    return {identity: each for identity, each in kept.items() if each != ("change", {})}


def await_autoscaler(world: World, name: str, spec: Manifest) -> None:
    """Wait until as many Pods run as the autoscaler's bounds allow."""
    if "autoscaling" in spec and not spec.get("suspend"):
        least = spec["autoscaling"]["minReplicas"]
        world.until("the autoscaler has its Pods", lambda: len(pods(world, name)) >= least, names=[name])
        world.await_ready(name)


def _by_chance(path: str) -> bool:
    return any(part in path for part in _BY_CHANCE)


def assert_plan_comes_true(world: World, person: Person, name: str, spec: Manifest) -> None:
    """Plan an edit, apply it, and compare."""
    manifest = world.app(name) | {"spec": spec}
    before, running = children(world, name), pods(world, name)
    position = world.audit.position()
    code, app = person.plan(manifest)
    assert [str(request) for request in person.audit.since(position) if request.is_write] == []
    assert children(world, name) == before, "the plan has changed something"

    position = world.audit.position()
    world.api.apply(manifest, manager="containerapp-cli", force=False)
    world.await_ready(name)
    wanted = planned(app)
    await_autoscaler(world, name, spec)
    eventually(
        f"what was planned has come about: {wanted}",
        lambda: (
            without_scaling(happened(before, children(world, name)), spec) == without_scaling(wanted, spec)
        ),
        details=lambda: f"{spec}\n{happened(before, children(world, name))}\n{world.report([name])}",
        timeout=30,
    )
    assert (code == 0) == (not wanted and app["action"] == "none")
    written = {
        request.resource
        for request in world.audit.since(position, namespace=world.namespace)
        if request.is_write and request.code < 400
    } - {"events", "containerapps/status", "controllerrevisions"}
    assert written == {PLURALS[kind] for kind, _ in wanted}, spec
    kept = running & pods(world, name)
    restarted = bool(running and pods(world, name) and not kept)
    assert app["pods"]["restart"] == (restarted and not app["pods"]["resize"]), "nodes may refuse a resize"
    assert app["problem"] is None


@pytest.fixture(scope="module")
def _images(registry: Registry) -> None:
    """Push the images that the edits choose from; a tag that moved would be another digest for plan and operator."""
    for tag in ("1.1", "2.0"):
        registry.push(tag, f"shop {tag} of the edits")


@pytest.mark.usefixtures("_images")
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", [1])
def test_the_plan_of_random_edits_comes_true(world: World, person: Person, seed: int) -> None:
    """Field by field, object by object, restarts included; the first edit makes the app."""
    chance = random.Random(seed)  # noqa: S311 - reproducible edits
    specs: list[Manifest] = [{"image": "shop:1.0", "port": 8080} for _ in range(APPS)]
    for turn in range(EDITS):
        number = turn % APPS
        assert_plan_comes_true(world, person, f"edited-{number}", specs[number])
        specs[number] = edited(specs[number], chance)


@pytest.mark.long
@pytest.mark.usefixtures("_images")
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(2, 10))
def test_the_plan_of_many_random_edits_comes_true(world: World, person: Person, seed: int) -> None:
    """Two hundred more."""
    test_the_plan_of_random_edits_comes_true(world, person, seed)


def test_the_text_of_a_file_is_an_object_of_the_plan(world: World, person: Person) -> None:
    """The ConfigMap of `files` is made by the operator, and a plan that leaves it out is not the whole."""

    def shop(text: str) -> Manifest:
        return world.app("shop", files=[{"path": "/etc/shop/shop.conf", "content": text}])

    def planned(text: str) -> list[str]:
        _, app = person.plan(shop(text))
        return [each["action"] for each in app["objects"] if each["kind"] == "ConfigMap"]

    assert planned("one") == ["create"]
    result = person.here("up", "-y", "-f", "-", stdin=yaml.safe_dump(shop("one")))
    assert result.exit_code == 0, result.output
    assert planned("one") == ["none"]
    assert "create" in planned("two")
