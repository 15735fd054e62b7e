"""Tags, digests and registries in trouble: what the status says of each, and what goes on running."""

from __future__ import annotations

import json

import pytest
from moto.core.authorization import enable_iam_authentication

from tests.controller.operators import Operator
from tests.controller.registry import HOST, NO_AWS, digest_of
from tests.controller.world import World

pytestmark = pytest.mark.cluster


def test_a_moved_tag_rolls_nothing_until_the_user_asks_for_it(world: World) -> None:
    """Neither the refresh nor restarts of the operator; the status and an event tell of the new digest."""
    old = world.registry.push("moving", "before")
    world.run("moved", image="shop:moving", port=8080)
    pinned = world.get("Deployment", "moved")["spec"]["template"]
    new = world.registry.push("moving", "after")
    message = world.await_condition("moved", "ImageResolved", "True", "TagMoved")["message"]
    assert f"{HOST}/shop:moving now points to {new}, but {old} keeps running" in message
    for _ in range(2):
        world.operator.stop()
        world.operator.start()
        world.await_condition("moved", "ImageResolved", "True", "TagMoved")
    world.settle()
    status = world.await_ready("moved")["status"]
    assert (status["image"]["digest"], status["image"]["latestDigest"]) == (old, new)
    assert world.get("Deployment", "moved")["spec"]["template"] == pinned
    assert [event["reason"] for event in world.events("moved")].count("TagMoved") == 1
    remedy = message.partition("kubectl ")[2].replace("$(date +%s)", "1").split()
    world.cluster.kubectl(*remedy)
    world.until("the new digest runs", lambda: world.image("moved") == f"{HOST}/shop@{new}", names=["moved"])
    world.await_condition("moved", "ImageResolved", "True", "Resolved")
    status = world.await_ready("moved")["status"]
    assert status["image"]["digest"] == new
    assert "latestDigest" not in status["image"]


def test_a_registry_that_is_down_at_the_start_is_waited_for(world: World, own_operator: Operator) -> None:
    """What needs no digest is there already; the app starts by itself once the registry answers."""
    world.registry.close()
    own_operator.start()
    world.apply("early", port=8080)
    message = world.await_condition("early", "ImageResolved", "False", "RegistryUnavailable")["message"]
    assert "asked again by itself" in message
    world.await_condition("early", "Ready", "False", "RegistryUnavailable")
    world.await_condition("early", "Reconciling", "True", "RegistryUnavailable")
    assert "Stalled" not in world.conditions("early")
    assert world.find("Deployment", "early") is None
    world.until("the Service is there", lambda: world.find("Service", "early"), names=["early"])
    world.registry.open()
    world.await_ready("early")


def test_a_registry_that_goes_down_later_disturbs_nothing_that_runs(
    world: World, own_operator: Operator
) -> None:
    """Apps stay Ready, can be scaled and changed, also by an operator that has started since; a new image waits."""
    digest = world.registry.push("later", "later")
    own_operator.start()
    world.run("steady", port=8080)
    uid = world.get("Deployment", "steady")["metadata"]["uid"]
    world.registry.close()
    own_operator.stop()
    own_operator.start()
    world.kubectl("scale", "capp/steady", "--replicas=3")
    assert world.await_ready("steady")["status"]["readyReplicas"] == 3
    resolved = world.conditions("steady")["ImageResolved"]
    assert (resolved["status"], resolved["reason"]) == ("True", "Resolved")
    unknown = "Whether the tag has moved since is not known"
    world.until(
        "the status admits that",
        lambda: unknown in world.conditions("steady")["ImageResolved"]["message"],
        names=["steady"],
    )
    world.apply("steady", port=8080, replicas=3, image="shop:later")
    world.await_condition("steady", "Ready", "False", "RegistryUnavailable")
    assert world.conditions("steady")["Available"]["status"] == "True"
    assert world.image("steady") == f"{HOST}/shop@{digest_of('shop 1.0')}"
    world.registry.open()
    world.until(
        "the new image runs", lambda: world.image("steady") == f"{HOST}/shop@{digest}", names=["steady"]
    )
    world.await_ready("steady")
    assert world.get("Deployment", "steady")["metadata"]["uid"] == uid


def test_an_image_that_does_not_exist_stalls_the_app_and_leaves_the_last_good_one(world: World) -> None:
    """A new app, an update, a repository that is missing; all end by themselves when the image is pushed."""
    for name in ("updated", "lost"):
        world.apply(name, port=8080)
    world.await_all_ready(["updated", "lost"])
    good = {name: world.get("Deployment", name) for name in ("updated", "lost")}
    world.apply("fresh", port=8080, image="shop:missing")
    world.apply("updated", port=8080, image="shop:missing", replicas=4)
    world.apply("lost", port=8080, image="nowhere/shop:1")
    for name, reason in {
        "fresh": "ImageNotFound",
        "updated": "ImageNotFound",
        "lost": "RepositoryNotFound",
    }.items():
        message = world.await_condition(name, "Ready", "False", reason)["message"]
        assert "correct spec.image" in message
        world.await_condition(name, "Stalled", "True", reason)
        world.await_condition(name, "ImageResolved", "False", reason)
    for name, deployment in good.items():
        assert world.conditions(name)["Available"]["status"] == "True"
        assert world.get("Deployment", name)["metadata"]["generation"] == deployment["metadata"]["generation"]
    assert world.find("Deployment", "fresh") is None
    world.until("an event tells it", lambda: "ImageNotFound" in [e["reason"] for e in world.events("fresh")])
    digest = world.registry.push("missing", "found")
    world.await_all_ready(["fresh", "updated"])
    assert world.image("updated") == f"{HOST}/shop@{digest}"


def test_an_operator_that_may_not_ask_says_which_right_it_needs(world: World, own_operator: Operator) -> None:
    """Under IAM's own rules: refused without a policy, content with `ecr:BatchGetImage` alone."""
    with world.registry.iam_user("operator") as (credentials, allow):
        own_operator.environment |= credentials
        with enable_iam_authentication():
            own_operator.start()
            world.apply("refused", port=8080)
            message = world.await_condition("refused", "ImageResolved", "False", "AccessDenied")["message"]
            assert "`arn:aws:iam::123456789012:user/operator` needs `ecr:BatchGetImage`" in message
            assert "`arn:aws:ecr:eu-west-1:123456789012:repository/shop`" in message
            world.await_condition("refused", "Stalled", "True", "AccessDenied")
        allow(json.dumps(_policy("ecr:BatchGetImage")))
        with enable_iam_authentication():
            world.await_ready("refused")


def test_an_operator_without_credentials_says_so(world: World, own_operator: Operator) -> None:
    """And names the two ways to get some on EKS."""
    endpoint = own_operator.environment["AWS_ENDPOINT_URL_ECR"]
    own_operator.environment = {"AWS_ENDPOINT_URL_ECR": endpoint, **NO_AWS}
    own_operator.start()
    world.apply("nobody", port=8080)
    message = world.await_condition("nobody", "Ready", "False", "NoCredentials")["message"]
    assert "EKS Pod Identity or IRSA" in message
    world.await_condition("nobody", "Stalled", "True", "NoCredentials")
    world.apply("pinned", image=f"{HOST}/shop@{digest_of('shop 1.0')}")
    world.await_ready("pinned")


def _policy(action: str) -> dict[str, object]:
    statement = {"Effect": "Allow", "Action": action, "Resource": "*"}
    return {"Version": "2012-10-17", "Statement": [statement]}


def test_an_image_that_the_nodes_have_runs_by_its_tag(world: World) -> None:
    """No registry has it: it was loaded onto the nodes, and is known there by its tag alone."""
    world.run("local", image="shop:dev", imagePullPolicy="Never", port=8080)
    assert world.image("local") == f"{HOST}/shop:dev"
    resolved = world.conditions("local")["ImageResolved"]
    assert (resolved["status"], resolved["reason"]) == ("True", "ByTag")
    assert "digest" not in world.get("ContainerApp", "local")["status"]["image"]
    world.settle()
    assert world.image("local") == f"{HOST}/shop:dev"
