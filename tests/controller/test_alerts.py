"""The chart's alerts on a real Prometheus that scrapes real operators: each is made to fire, and to end again."""

from __future__ import annotations

import contextlib
import itertools
import secrets
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from devcluster import Cluster, binaries
from tests.alerts.files import queries, rules
from tests.chart.rendering import Chart
from tests.controller.api import Api, Manifest
from tests.controller.installation import install
from tests.controller.operators import Identity, Operator, eventually
from tests.controller.prometheus import Prometheus, Watched, free_port
from tests.controller.registry import HOST
from tests.controller.world import World, dumped

pytestmark = pytest.mark.cluster

_SHORT_LEASE = {
    "CONTAINERAPP_LEASE_DURATION": "5",
    "CONTAINERAPP_LEASE_RENEW_DEADLINE": "4",
    "CONTAINERAPP_LEASE_RETRY_PERIOD": "1",
}
_RESTLESS = [f"restless-{number}" for number in range(12)]
_MISSING = "shop:never-pushed"
_PASSING = {
    "ContainerAppOperatorAbsent",
    "ContainerAppOperatorNoLeader",
    "ContainerAppOperatorNotReady",
}
"""What is true for a moment of an operator that begins, or of a scrape that a busy machine has missed."""


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Prometheus with the chart's rules."""
    server = Prometheus(
        program=binaries.obtain(["prometheus"])["prometheus"], directory=tmp_path_factory.mktemp("prometheus")
    )
    server.start()
    yield server
    server.stop()


@pytest.fixture
def operator(own_operator: Operator, narrow_identity: Identity) -> Operator:
    """An operator that serves the test's namespace alone, not started yet; its port stays over its restarts."""
    own_operator.identity = narrow_identity
    own_operator.environment |= {"CONTAINERAPP_HTTP_PORT": str(free_port()), "MEMORY_LIMIT": str(1 << 30)}
    return own_operator


@pytest.fixture
def wide(
    cluster: Cluster, api: Api, chart_on_cluster: Chart, namespace: str, own_operator: Operator
) -> Iterator[Identity]:
    """An installation of the chart that serves the whole cluster; what it is refused is no other test's affair."""
    name = f"wide-{namespace[-6:]}"
    yield install(cluster, api, chart_on_cluster.render(defaultRegistry=HOST, fullnameOverride=name))
    own_operator.kill()
    api.delete("ClusterRoleBinding", None, name)
    api.delete("ClusterRole", None, name)


@pytest.fixture
def watched(prometheus: Prometheus, operator: Operator, namespace: str) -> Iterator[Watched]:
    """What Prometheus sees of that operator."""
    prometheus.scrape(namespace, {operator.name: _port(operator)})
    yield Watched(prometheus=prometheus, job=namespace)
    prometheus.scrape(namespace, {})


@pytest.fixture
def other(operator: Operator, prometheus: Prometheus, watched: Watched) -> Iterator[Operator]:
    """A second replica, not started yet."""
    other = replace(operator, name="operator-1")
    other.environment = operator.environment | {"CONTAINERAPP_HTTP_PORT": str(free_port())}
    prometheus.scrape(watched.job, {one.name: _port(one) for one in (operator, other)})
    yield other
    other.kill()


def test_in_peace_nothing_fires_and_every_panel_has_something_to_show(
    world: World, operator: Operator, watched: Watched
) -> None:
    """Apps come, change and go; each query of the dashboard finds what it asks for."""
    operator.start()
    for name in ("steady", "changed", "deleted"):
        world.apply(name, port=8080)
    world.await_all_ready(["steady", "changed", "deleted"])
    world.apply("changed", port=8080, replicas=2)
    world.delete("ContainerApp", "deleted")
    world.await_ready("changed")
    watched.await_scrapes(10)
    assert watched.fired() <= _PASSING
    eventually("nothing fires", lambda: not watched.firing(), details=lambda: str(watched.firing()))

    def empty() -> set[str]:
        return {title for title, query in queries(watched.job) if not watched.sees(query)}

    eventually(
        "all panels show something but for those of alerts and of AWS",
        lambda: empty() == {"Firing alerts", "Calls to AWS by operation and outcome"},
        details=lambda: str(empty()),
    )


def test_a_dead_operator_is_missed(operator: Operator, watched: Watched) -> None:
    """Killed, and not restarted by anybody."""
    operator.start()
    watched.await_scrapes(2)
    operator.kill()
    watched.await_alert("ContainerAppOperatorAbsent")
    operator.start()
    watched.await_peace("ContainerAppOperatorAbsent")


def test_an_api_server_that_is_away_costs_the_leader_its_lease(
    cluster: Cluster, operator: Operator, watched: Watched
) -> None:
    """Then nobody leads; when it is back, all goes on by itself."""
    if cluster.supervision is None:
        pytest.skip("this cluster's API server cannot be stopped")
    operator.environment |= _SHORT_LEASE
    operator.start()
    cluster.stop("kube-apiserver")
    try:
        watched.await_alert("ContainerAppOperatorNoLeader")
    finally:
        cluster.start("kube-apiserver")
    watched.await_peace("ContainerAppOperatorNoLeader")


def test_an_api_server_that_fails_is_seen(
    world: World, cluster: Cluster, operator: Operator, watched: Watched
) -> None:
    """Every write of a Deployment is answered by 500, because an admission webhook does not answer."""
    operator.start()
    webhook = f"dead-{watched.job[-6:]}"
    cluster.kubectl("create", "--filename=-", stdin=dumped(_dead_webhook(webhook, world.namespace)))
    try:
        world.apply("refused")
        watched.await_alert("ContainerAppOperatorApiErrors")
    finally:
        cluster.kubectl("delete", "validatingwebhookconfiguration", webhook)
    world.await_ready("refused")
    watched.await_peace("ContainerAppOperatorApiErrors")


def test_two_that_act_at_once_are_seen(operator: Operator, other: Operator, watched: Watched) -> None:
    """Leader election off, and scaled to two past the chart's check."""
    for replica in (operator, other):
        replica.environment |= {"CONTAINERAPP_LEADER_ELECTION": "false"}
        replica.start()
    watched.await_alert("ContainerAppOperatorManyLeaders")
    other.kill()
    watched.await_peace("ContainerAppOperatorManyLeaders")


def test_a_leader_that_may_not_list_is_seen_and_so_is_the_missing_right(
    api: Api, wide: Identity, operator: Operator, watched: Watched
) -> None:
    """It holds the Lease and waits for its first lists, until somebody gives the right back."""
    operator.identity = wide
    granted = api.get("ClusterRole", None, wide.service_account)["rules"]
    kept = [rule for rule in granted if "services" not in rule["resources"]]
    assert kept != granted
    api.patch("ClusterRole", None, wide.service_account, {"rules": kept})
    operator.start(wait=False)
    watched.await_alert("ContainerAppOperatorNotReady")
    watched.await_alert("ContainerAppOperatorForbidden")
    api.patch("ClusterRole", None, wide.service_account, {"rules": granted})
    watched.await_peace("ContainerAppOperatorNotReady", "ContainerAppOperatorForbidden")


def test_an_operator_that_begins_anew_again_and_again_is_seen(operator: Operator, watched: Watched) -> None:
    """Killed four times, as the kernel does with one that needs too much memory."""
    operator.start()
    for _ in range(4):
        watched.await_scrapes(2)
        operator.kill()
        operator.start()
    watched.await_alert("ContainerAppOperatorRestarting")
    watched.await_peace("ContainerAppOperatorRestarting")


def test_a_memory_limit_that_is_near_is_seen(operator: Operator, watched: Watched) -> None:
    """Its own measure of itself against what the container may take."""
    operator.environment |= {"MEMORY_LIMIT": str(64 << 20)}
    operator.start()
    watched.await_alert("ContainerAppOperatorMemoryHigh")
    operator.kill()
    operator.environment |= {"MEMORY_LIMIT": str(1 << 30)}
    operator.start()
    watched.await_peace("ContainerAppOperatorMemoryHigh")


def test_apps_that_wait_for_somebody_are_seen(world: World, operator: Operator, watched: Watched) -> None:
    """Images that nobody has pushed; corrected, the apps become ready."""
    operator.start()
    world.apply("good", port=8080)
    wrong = [f"wrong-{number}" for number in range(4)]
    for name in wrong:
        world.apply(name, image=_MISSING)
    watched.await_alert("ContainerAppsStalled")
    watched.await_alert("ContainerAppsNotReady")
    for name in wrong:
        world.apply(name)
    watched.await_peace("ContainerAppsStalled", "ContainerAppsNotReady")
    world.await_all_ready(["good", *wrong])


def test_a_registry_that_is_away_is_seen(world: World, operator: Operator, watched: Watched) -> None:
    """The app is tried again by itself, so it does not stall: this alert is the one that tells."""
    world.registry.close()
    operator.start()
    world.apply("early")
    watched.await_alert("ContainerAppRegistryLookupsFail")
    assert "ContainerAppsStalled" not in watched.firing()
    world.registry.open()
    world.await_ready("early")
    watched.await_peace("ContainerAppRegistryLookupsFail")


def test_a_bug_is_seen(world: World, operator: Operator, watched: Watched) -> None:
    """An operator whose planning raises an error that no code expects, and then the one without the bug."""
    operator.before = "from containerapp.engine import reconcile; reconcile.make_plan = lambda **_: 1 / 0"
    operator.start()
    world.apply("unlucky")
    watched.await_alert("ContainerAppReconcileBug")
    operator.kill()
    operator.before = ""
    operator.start()
    world.await_ready("unlucky")
    watched.await_peace("ContainerAppReconcileBug")


def test_apps_that_wait_for_a_worker_are_seen(
    world: World, cluster: Cluster, operator: Operator, watched: Watched
) -> None:
    """One worker, and an API server that says nothing for eight seconds."""
    if cluster.supervision is None:
        pytest.skip("this cluster's API server cannot be paused")
    operator.environment |= {"CONTAINERAPP_WORKERS": "1", "CONTAINERAPP_LEADER_ELECTION": "false"}
    operator.start()
    world.apply("first")
    world.await_ready("first")  # the watch of the apps has begun
    names = [f"patient-{number}" for number in range(12)]
    with operator.paused():  # so that it learns of all of them before it can serve one
        for name in names:
            world.apply(name)
        cluster.signal("kube-apiserver", signal.SIGSTOP)
    time.sleep(8)
    cluster.signal("kube-apiserver", signal.SIGCONT)
    watched.await_alert("ContainerAppReconcilesWait")
    world.await_all_ready(names)
    watched.await_peace("ContainerAppReconcilesWait")


def test_objects_that_never_rest_are_seen(world: World, operator: Operator, watched: Watched) -> None:
    """Somebody writes to the Deployments of a dozen apps without end; each app alone is reconciled at leisure."""
    operator.start()
    for name in _RESTLESS:
        world.apply(name)
    world.await_all_ready(_RESTLESS)
    with ThreadPoolExecutor() as threads, contextlib.ExitStack() as ending:
        stop: list[bool] = []
        ending.callback(stop.append, True)
        meddling = threads.submit(_meddle, world, stop)
        watched.await_alert("ContainerAppReconcileStorm")
        stop.append(True)
        meddling.result()
    watched.await_peace("ContainerAppReconcileStorm")


def test_each_alert_is_tried_here() -> None:
    """A new one is not done before it was seen on an operator."""
    text = Path(__file__).read_text()
    assert [rule["alert"] for rule in rules() if f'await_alert("{rule["alert"]}")' not in text] == []
    assert [rule["alert"] for rule in rules() if f'"{rule["alert"]}"' not in _after_mending(text)] == []


def _dead_webhook(name: str, namespace: str) -> Manifest:
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": name},
        "webhooks": [
            {
                "name": "dead.tests.containerapp.dev",
                "clientConfig": {"url": "https://127.0.0.1:1/"},
                "rules": [
                    {
                        "apiGroups": ["apps"],
                        "apiVersions": ["v1"],
                        "operations": ["*"],
                        "resources": ["deployments"],
                    }
                ],
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
                "failurePolicy": "Fail",
                "sideEffects": "None",
                "admissionReviewVersions": ["v1"],
            }
        ],
    }


def _after_mending(text: str) -> str:
    return "".join(line for line in text.splitlines() if "await_peace(" in line)


def _meddle(world: World, stop: list[bool]) -> None:
    for name in itertools.cycle(_RESTLESS):
        if stop:
            return
        change = {"metadata": {"annotations": {"meddler": secrets.token_hex(4)}}}
        world.patch("Deployment", name, change)


def _port(operator: Operator) -> int:
    return int(operator.environment["CONTAINERAPP_HTTP_PORT"])
