"""A rollout that waits for its load balancer, by Kubernetes' own controllers: the engine runs in this process.

The test plays the load balancer: its address, its TargetGroupBinding, and the health of its targets.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from devcluster import Cluster
from tests.controller.api import Manifest
from tests.controller.operators import Operator
from tests.controller.test_identity import Stage
from tests.controller.test_identity import stage as stage  # noqa: PLC0414 - a fixture
from tests.definitions import define

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

_BINDINGS = Path(__file__).parents[1] / "stubs" / "targetgroupbindings.yaml"
_NAME = "targetgroupbindings.elbv2.k8s.aws"
_GROUP = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/shop/943f017f100becff"
_EXPOSED: Manifest = {"port": 8080, "replicas": 2, "expose": {"via": "alb", "public": True}}


class Balancer:
    """Says that the Pods of some versions are healthy, and that those of others are not yet."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.slow: set[str] = set()
        self.calls = 0

    async def describe(self, _group: str) -> Mapping[str, str]:
        """Return the states."""
        self.calls += 1
        return {
            pod["status"]["podIP"]: "initial" if _version(pod) in self.slow else "healthy"
            for pod in self.pods()
            if "podIP" in pod["status"] and "deletionTimestamp" not in pod["metadata"]
        }

    def pods(self) -> list[Manifest]:
        """Return the app's Pods."""
        return list(self.stage.world.api.list("Pod", self.stage.world.namespace, "containerapp.dev/app=shop"))

    def counts(self) -> dict[str, int]:
        """Return how many Pods of each version do not end."""
        found: dict[str, int] = {}
        for pod in self.pods():
            if "deletionTimestamp" not in pod["metadata"]:
                found[_version(pod)] = found.get(_version(pod), 0) + 1
        return found


def _version(pod: Manifest) -> str:
    return str(pod["metadata"]["labels"]["containerapp.dev/revision"])


@pytest.fixture
def balancer(stage: Stage, cluster: Cluster, own_operator: Operator) -> Iterator[Balancer]:
    """The load balancer of the app `shop`, whose bindings the engine may list."""
    define(cluster, _BINDINGS.read_text())
    name, namespace = f"bindings-{stage.world.namespace}", stage.world.namespace
    binding = {
        "apiVersion": "elbv2.k8s.aws/v1beta1",
        "kind": "TargetGroupBinding",
        "metadata": {"name": "k8s-shop", "namespace": namespace},
        "spec": {
            "targetGroupARN": _GROUP,
            "targetType": "ip",
            "serviceRef": {"name": "shop", "port": "http"},
        },
    }
    cluster.kubectl("apply", "--filename=-", stdin=json.dumps(binding))
    cluster.kubectl(
        "create", "clusterrole", name, "--verb=list", "--resource=targetgroupbindings.elbv2.k8s.aws"
    )
    user = own_operator.identity.user
    cluster.kubectl("create", "clusterrolebinding", name, f"--clusterrole={name}", f"--user={user}")
    stage.settings["expose_await_targets"] = True
    balancer = Balancer(stage)
    stage.describe_targets = balancer.describe
    yield balancer
    cluster.kubectl("delete", "clusterrole,clusterrolebinding", name)
    cluster.kubectl("delete", "crd", _NAME)


@pytest.mark.timeout(400)
def test_old_pods_stay_until_the_targets_of_new_ones_are_healthy(balancer: Balancer) -> None:
    """Kubernetes' Deployment controller follows a shortened `minReadySeconds` at once."""
    stage = balancer.stage
    stage.start()
    stage.apply("shop", **_EXPOSED)
    stage.until("the Ingress is there", lambda: stage.world.find("Ingress", "shop") is not None, "shop")
    address = {"status": {"loadBalancer": {"ingress": [{"hostname": "shop.elb.amazonaws.com"}]}}}
    stage.world.kubectl(
        "patch", "ingress", "shop", "--subresource=status", "--type=merge", f"--patch={json.dumps(address)}"
    )
    stage.ready("shop")
    balancer.slow = {"2"}
    stage.apply("shop", **_EXPOSED, args=["two"])
    stage.until("a new Pod is there", lambda: balancer.counts() == {"1": 2, "2": 1}, "shop")
    assert stage.world.get("Deployment", "shop")["spec"]["minReadySeconds"] == 240
    time.sleep(45)
    assert balancer.counts() == {"1": 2, "2": 1}
    assert stage.world.conditions("shop")["RolledOut"]["reason"] == "RollingOut"
    balancer.slow = set()
    stage.world.until(
        "the rollout goes on", lambda: balancer.counts().get("1", 0) < 2, names=["shop"], timeout=20
    )
    stage.world.await_ready("shop", timeout=120)
    assert balancer.counts() == {"2": 2}
    assert (
        "healthy in the load balancer's target groups"
        in stage.world.conditions("shop")["RolledOut"]["message"]
    )
    assert stage.world.get("Deployment", "shop")["spec"].get("minReadySeconds", 0) == 0
    time.sleep(12)  # the next reconcile ends the question
    calls = balancer.calls
    time.sleep(20)
    assert balancer.calls == calls, "nothing is asked once a rollout is over"
