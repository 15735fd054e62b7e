"""Running the operator: stopped, killed, doubled, confined to a namespace, observed."""

from __future__ import annotations

import json
import signal
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from tests.controller.audit import Audit
from tests.controller.operators import Identity, Operator
from tests.controller.registry import environment
from tests.controller.world import World, dumped

pytestmark = pytest.mark.cluster

_SHORT_LEASE = {
    "CONTAINERAPP_LEASE_DURATION": "5",
    "CONTAINERAPP_LEASE_RENEW_DEADLINE": "4",
    "CONTAINERAPP_LEASE_RETRY_PERIOD": "1",
}
_METRICS = {
    "containerapp_reconciles",
    "containerapp_reconcile_duration_seconds",
    "containerapp_queue_depth",
    "containerapp_queue_wait_seconds",
    "containerapp_api_requests",
    "containerapp_aws_calls",
    "containerapp_registry_lookups",
    "containerapp_objects",
    "containerapp_leader",
    "containerapp_ready",
    "containerapp_memory_limit_bytes",
    "containerapp_tasks",
}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_order(world: World, number: signal.Signals) -> None:
    """Exit code 0, nothing in the log but what belongs there, the Lease given back for whoever comes next."""
    world.run("bystander", port=8080)
    assert _holder(world) == "operator-0"
    assert world.operator.stop(number) == 0
    assert world.operator.lines()[-1]["message"] == "Stopped"
    assert not _holder(world)
    assert not [line for line in world.operator.lines() if line.get("level") in {"ERROR", "CRITICAL"}]
    assert world.get("Deployment", "bystander")["status"]["readyReplicas"] == 1


def test_killed_amid_the_creation_of_many_apps_it_finishes_them_after_a_restart(world: World) -> None:
    """All converge, none twice, whatever was half done."""
    names = [f"many-{number:02}" for number in range(30)]
    apps = {"apiVersion": "v1", "kind": "List", "items": [world.app(name, port=8080) for name in names]}
    selector = "app.kubernetes.io/managed-by=containerapp-operator"
    with ThreadPoolExecutor() as threads:
        creation = threads.submit(world.kubectl, "create", "--filename=-", stdin=dumped(apps))
        world.until("it has begun", lambda: world.api.list("ServiceAccount", world.namespace, selector))
        world.operator.kill()
        creation.result()
    made = [item["metadata"]["name"] for item in world.api.list("Deployment", world.namespace, selector)]
    world.operator.start()
    assert set(made) < set(names), "the operator was too quick to be killed amid its work"
    world.await_all_ready(names)
    for kind in ("ServiceAccount", "Service", "Deployment"):
        found = Counter(item["metadata"]["name"] for item in world.api.list(kind, world.namespace, selector))
        assert found == Counter(names)
    revisions = world.api.list("ReplicaSet", world.namespace, selector)
    assert Counter(item["metadata"]["labels"]["app.kubernetes.io/name"] for item in revisions) == Counter(
        names
    )


@pytest.fixture
def replicas(own_operator: Operator, tmp_path: Path) -> Iterator[tuple[Operator, Operator]]:
    """Two replicas that compete for one Lease, which a silent leader loses soon."""
    own_operator.environment |= _SHORT_LEASE
    other = replace(own_operator, name="operator-1", directory=tmp_path)
    yield own_operator, other
    other.kill()


def test_of_two_replicas_one_acts_and_the_other_takes_over(
    world: World, replicas: tuple[Operator, Operator]
) -> None:
    """The standby is healthy and asks nothing of the cluster but the Lease."""
    leader, standby = replicas
    leader.start()
    standby.start(wait=False)
    world.run("first", port=8080)
    world.until("the standby serves its pages", lambda: standby.page("/readyz") == (200, "ok\n"))
    assert standby.page("/healthz") == (200, "ok\n")
    assert (leader.metric("containerapp_leader"), standby.metric("containerapp_leader")) == (1, 0)
    assert standby.metric("containerapp_reconciles_total") == 0
    assert standby.metric("containerapp_api_requests_total") == 0
    leader.kill()
    world.operator = standby
    standby.await_line("All children are listed; reconciling")
    world.run("second", port=8080)
    assert _holder(world) == "operator-1"
    leader.start(wait=False)
    world.until("the old leader stands by", lambda: leader.page("/readyz") == (200, "ok\n"))
    standby.stop()
    world.operator = leader
    leader.await_line("All children are listed; reconciling")
    world.run("third", port=8080)
    assert leader.stop() == 0


def test_metrics_and_health_are_served_on_one_port(world: World) -> None:
    """Every family that the documentation names, with values that move."""
    before = world.operator.metric("containerapp_reconciles_total", outcome="success")
    world.run("measured", port=8080)
    assert world.operator.page("/healthz") == (200, "ok\n")
    assert world.operator.page("/readyz") == (200, "ok\n")
    assert world.operator.page("/nothing")[0] == 404
    text = world.operator.page("/metrics")[1]
    assert {family for family in _METRICS if f"# HELP {family}" in text} == _METRICS
    metric = world.operator.metric
    assert metric("containerapp_reconciles_total", outcome="success") > before
    assert metric("containerapp_objects", state="ready") >= 1
    assert metric("containerapp_leader") == 1
    assert metric("containerapp_ready") == 1
    assert metric("containerapp_tasks") > 1
    assert metric("containerapp_api_requests_total", verb="PATCH", resource="deployments", code="201") >= 1
    assert metric("containerapp_registry_lookups_total", registry="ecr", outcome="ok") >= 1
    assert metric("containerapp_reconcile_duration_seconds_count") > 0


def test_each_log_line_is_one_json_object_that_names_its_app(world: World) -> None:
    """From the first line on; what it says of an app can be found by namespace and name."""
    world.run("logged", port=8080)
    lines = [json.loads(line) for line in world.operator.text().splitlines()]
    assert all(
        {"time", "level", "logger", "message", "kind", "namespace", "object"} <= set(line) for line in lines
    )
    own = [line for line in lines if line["namespace"] == world.namespace]
    assert {line["object"] for line in own} == {"logged"}
    assert any(line["message"].startswith("Writing create ServiceAccount logged") for line in own)
    assert any(line["message"].startswith("RolledOut: ") for line in own)


def test_confined_to_a_namespace_it_serves_that_one_with_roles_alone(
    world: World, own_operator: Operator, narrow_identity: Identity
) -> None:
    """`--namespace`, under the chart's Roles: nothing outside is served, looked at, or asked for in vain."""
    audit = Audit(log=world.audit.log, user=narrow_identity.user)
    own_operator.identity = narrow_identity
    own_operator.environment = environment(world.registry.endpoint) | {"CONTAINERAPP_NAMESPACES": ""}
    own_operator.arguments = (f"--namespace={world.namespace}",)
    own_operator.start()
    outside = world.app("outside") | {"metadata": {"name": "outside", "namespace": "default"}}
    world.api.apply(outside)
    try:
        world.run("inside", port=8080)
        world.delete("Deployment", "inside")
        world.until("it is repaired", lambda: world.find("Deployment", "inside"))
        world.await_ready("inside")
        assert world.api.get("ContainerApp", "default", "outside")["status"]["observedGeneration"] == -1
    finally:
        world.api.delete("ContainerApp", "default", "outside")
    assert [str(request) for request in audit.refusals()] == []
    assert {request.namespace for request in audit.since(0) if request.resource} == {world.namespace}


def _holder(world: World) -> str | None:
    identity = world.operator.identity
    lease = world.api.find("Lease", identity.namespace, identity.service_account)
    holder: str | None = (lease or {}).get("spec", {}).get("holderIdentity")
    return holder
