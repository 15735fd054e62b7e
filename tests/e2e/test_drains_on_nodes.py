"""An app of one Pod on two real nodes that are drained in turn, under load: no request is lost.

`pytest -m long tests/e2e/test_drains_on_nodes.py` prints one line for each way: requests, failures, drains.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import devcluster
from devcluster import ecr, images, system
from tests.controller.api import Api
from tests.controller.operators import eventually
from tests.e2e.node_apps import App, installed_operator

pytestmark = [pytest.mark.node, pytest.mark.long, pytest.mark.timeout(1800)]

_RATE = 100
_REQUESTS = 20_000


@pytest.fixture(scope="module")
def nodes() -> Iterator[devcluster.Cluster]:
    """Two real nodes, and the image of a web server."""
    system.require({"/bin/busybox": "busybox-static", "nsenter": "util-linux"})
    files = {"/bin/busybox": Path("/bin/busybox").read_bytes(), "/www/index.html": b"shop\n"}
    serve = ["/bin/busybox", "httpd", "-f", "-p", "8080", "-h", "/www"]
    with devcluster.start(devcluster.Options(nodes=devcluster.Real(count=2))) as cluster:
        ecr.push(cluster, "shop", "good", images.Image(files=files, entrypoint=serve))
        yield cluster


@pytest.fixture(scope="module")
def api(nodes: devcluster.Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """The API server, as its administrator sees it; an operator runs with the chart's rights."""
    api = Api(nodes.kubeconfig)
    operator = installed_operator(nodes, api, tmp_path_factory.mktemp("operator"), min_ready_seconds=2)
    yield api
    operator.kill()
    api.close()


@pytest.mark.parametrize("way", ["drained at once", "cordoned, then drained"])
def test_drains_of_the_only_pod_lose_no_request(
    nodes: devcluster.Cluster, api: Api, way: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """By a budget that always stands, or by one that the operator makes for a node that is marked. Of 20,000."""
    app = App(nodes, api, "steady" if way == "drained at once" else "marked")
    disruption: dict[str, Any] = {"disruption": {"minAvailable": 1}} if way == "drained at once" else {}
    app.apply(replicas=1, **disruption)
    app.await_condition("Ready", "True", "Running")
    drains, began = 0, time.monotonic()
    with app.under_load(rate=_RATE) as result:
        while (time.monotonic() - began) * _RATE < _REQUESTS * 1.02:
            (pod,) = api.list("Pod", "default", f"containerapp.dev/app={app.name}")
            node = pod["spec"]["nodeName"]
            if not disruption:
                nodes.kubectl("cordon", node)
                eventually("the Pod may stay", lambda: _has_budget(api, app), timeout=30)
            selector = f"--pod-selector=containerapp.dev/app={app.name}"
            nodes.kubectl("drain", node, selector, "--timeout=120s")
            eventually("the first Pod has gone", partial(_has_moved, api, app, node), timeout=120)
            nodes.kubectl("uncordon", node)
            drains += 1
    with capsys.disabled():
        print(f"\n{way}: {result['sent']} requests, {result['failed']} failed, {drains} drains")  # noqa: T201
    api.delete("ContainerApp", "default", app.name)
    assert result["sent"] >= _REQUESTS
    assert result["failed"] == 0, result


def _has_budget(api: Api, app: App) -> bool:
    return api.find("PodDisruptionBudget", "default", app.name) is not None


def _has_moved(api: Api, app: App, node: str) -> bool:
    """Whether one Pod is left, and it is elsewhere."""
    pods = api.list("Pod", "default", f"containerapp.dev/app={app.name}")
    return [pod["spec"].get("nodeName") == node for pod in pods] == [False]
