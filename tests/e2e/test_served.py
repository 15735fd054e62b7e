"""An app behind a real Ingress controller, under load: Traefik on two real nodes, HTTPS by the app's host.

Each act is repeated until 20,000 requests have been sent, half of them over kept connections, half over new ones; none
may fail. `pytest -m long tests/e2e/test_served.py` prints one line for each.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from itertools import count
from pathlib import Path
from typing import Any

import pytest

import devcluster
from devcluster import binaries, ecr, images, system
from devcluster.pki import Authority
from examples.demo import load_balancer, sample
from examples.demo.console import Console
from tests.controller.api import Api
from tests.controller.operators import Operator, eventually
from tests.e2e.node_apps import App, installed_operator, load

pytestmark = [pytest.mark.node, pytest.mark.long, pytest.mark.timeout(3600)]

_HOST = "shop.example.com"
_REQUESTS = 20_000
_RATE = 200
_ENOUGH = 1.02
"""The load takes a little longer to start than to be counted from."""
_PODS = 3


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[devcluster.Cluster]:
    """A cluster of two nodes, with Traefik on each, and with versions of the sample application."""
    if obstacle := devcluster.real_node_obstacle():
        pytest.skip(f"no real node on this machine: {obstacle}")
    system.require({"/bin/busybox": "busybox-static"})
    with devcluster.start(devcluster.Options(nodes=devcluster.Real(count=2, dns=False))) as cluster:
        _furnish(cluster, tmp_path_factory.mktemp("sample"))
        yield cluster


def _furnish(cluster: devcluster.Cluster, scratch: Path) -> None:
    program = sample.build_program(Console(), scratch / "log").read_bytes()
    for version in ("one", "two"):
        image = images.Image(files={"/app": program}, entrypoint=["/app"], environment={"VERSION": version})
        ecr.push(cluster, "shop", version, image)
    crash = ["/bin/busybox", "sh", "-c", "echo no database; exit 1"]
    broken = images.Image(files={"/bin/busybox": Path("/bin/busybox").read_bytes()}, entrypoint=crash)
    ecr.push(cluster, "shop", "broken", broken)
    traefik = binaries.obtain(["traefik"])["traefik"].read_bytes()
    image = images.Image(files={"/traefik": traefik}, entrypoint=["/traefik"])
    load_balancer.apply(cluster, ecr.push(cluster, "traefik", "real", image), cluster.address)


@pytest.fixture(scope="module")
def api(node: devcluster.Cluster) -> Iterator[Api]:
    """The API server, as its administrator sees it."""
    api = Api(node.kubeconfig)
    yield api
    api.close()


@pytest.fixture(scope="module", autouse=True)
def operator(
    node: devcluster.Cluster, api: Api, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Operator]:
    """The operator, with the chart's rights; nothing but the way out of the cluster is set."""
    expose = {"via": "ingress", "className": load_balancer.NAME}
    directory = tmp_path_factory.mktemp("operator")
    operator = installed_operator(node, api, directory, min_ready_seconds=5, expose=expose)
    yield operator
    operator.kill()


@pytest.fixture(scope="module")
def authority(api: Api, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The certificate of the authority that has signed the app's."""
    authority = Authority.create()
    pair = authority.issue(_HOST, hosts=[_HOST])
    data = {"tls.crt": pair.certificate, "tls.key": pair.key}
    api.apply(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "shop-tls", "namespace": "default"},
            "type": "kubernetes.io/tls",
            "data": {name: base64.b64encode(value).decode() for name, value in data.items()},
        }
    )
    file = tmp_path_factory.mktemp("authority") / "ca.crt"
    file.write_bytes(authority.pair.certificate)
    return file


@pytest.fixture
def app(node: devcluster.Cluster, api: Api, authority: Path) -> Iterator[App]:
    """An app that is served at its host: Traefik publishes the address some seconds before it serves."""
    app = App(node, api, "shop")
    _write(app)
    app.await_condition("Ready", "True", "Running")
    app.await_condition("Exposed", "True", "AddressAssigned")
    eventually("both Traefiks serve it", lambda: _is_served(app, authority), timeout=60)
    yield app
    api.delete("ContainerApp", "default", app.name)
    eventually("no Pod of it is left", lambda: not _pods(app), timeout=120)


def _write(app: App, **spec: Any) -> None:
    whole = {
        "image": "shop:one",
        "replicas": _PODS,
        "readinessProbe": {"httpGet": {"path": "/healthz"}, "periodSeconds": 2},
        "expose": {"hosts": [_HOST], "tlsSecretName": "shop-tls"},
    }
    app.apply(**(whole | spec))


def _pods(app: App) -> list[dict[str, Any]]:
    return app.api.list("Pod", "default", f"containerapp.dev/app={app.name}")


def _await_running(app: App, pods: int) -> None:
    """Wait until an app is Ready with so many Pods and the ones that leave are gone."""
    app.await_condition("Ready", "True", "Running")
    eventually(f"{pods} Pods are all there are", lambda: len(_pods(app)) == pods, timeout=120)


def _roll_out(app: App, turn: int) -> None:
    _write(app, image=("shop:two", "shop:one")[turn % 2])
    _await_running(app, _PODS)


def _roll_back(app: App, turn: int) -> None:
    _write(app, image="shop:broken", env=[{"name": "TURN", "value": str(turn)}])
    app.await_condition("RolledOut", "False", "RolledBack")
    app.await_condition("Ready", "True", "RolledBack")
    _write(app)
    _await_running(app, _PODS)


def _hand_over(app: App, turn: int) -> None:
    """An autoscaler without metrics keeps its bounds: it wants more Pods than there were, then `replicas` fewer."""
    if turn % 2 == 0:
        _write(
            app, replicas=None, autoscaling={"minReplicas": _PODS + 2, "maxReplicas": _PODS + 3, "cpu": 70}
        )
        eventually("the autoscaler has scaled", lambda: len(_pods(app)) == _PODS + 2, timeout=120)
        app.await_condition("RolledOut", "True", "RolloutComplete")
    else:
        _write(app)
        _await_running(app, _PODS)


def _drain(app: App, turn: int) -> None:
    """A drained node has all Pods of the app from the second time on: the budget lets them go one by one."""
    name = f"node-{1 + turn % 2}"
    app.node.kubectl("drain", name, "--ignore-daemonsets", "--timeout=300s", timeout=330)
    _await_running(app, _PODS)
    assert all(pod["spec"]["nodeName"] != name for pod in _pods(app))
    app.node.kubectl("uncordon", name)


@pytest.mark.parametrize("act", [_roll_out, _roll_back, _hand_over, _drain])
def test_no_request_is_lost(
    app: App, authority: Path, act: Callable[[App, int], None], capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever is done to the app, again and again."""
    with _under_load(app, authority) as result:
        turns = _repeat(lambda turn: act(app, turn))
    _judge(act.__name__, result, turns, capsys)


@pytest.mark.parametrize("numbers", [range(2, 21), range(16, 1, -1)], ids=["up", "down"])
def test_scaling_loses_no_request(
    app: App, authority: Path, numbers: range, capsys: pytest.CaptureFixture[str]
) -> None:
    """One Pod more, or fewer, at a time."""
    _write(app, replicas=numbers[0])
    _await_running(app, numbers[0])
    left = iter(numbers[1:])

    def scale(_: int) -> None:
        pods = next(left, None)
        if pods is None:
            time.sleep(1)
            return
        _write(app, replicas=pods)
        _await_running(app, pods)

    with _under_load(app, authority) as result:
        turns = _repeat(scale)
    _judge(f"scale from {numbers[0]} to {len(_pods(app))}", result, turns, capsys)


def _under_load(app: App, authority: Path) -> AbstractContextManager[dict[str, Any]]:
    return load(app.node.address, str(load_balancer.PORT), str(_RATE), _HOST, str(authority))


def _is_served(app: App, authority: Path) -> bool:
    with _under_load(app, authority) as result:
        pass
    return bool(result["sent"] > 0 and result["failed"] == 0)


def _repeat(act: Callable[[int], None]) -> int:
    """Do something until enough requests have been sent, and return how often it was done."""
    began = time.monotonic()
    for turn in count():
        act(turn)
        if (time.monotonic() - began) * _RATE > _REQUESTS * _ENOUGH:
            return turn + 1
    raise AssertionError


def _judge(act: str, result: dict[str, Any], turns: int, capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        print(f"\n{act.strip('_')}: {result['sent']} requests, {result['failed']} failed, {turns} turns")  # noqa: T201
    assert result["sent"] >= _REQUESTS
    assert result["failed"] == 0, result
