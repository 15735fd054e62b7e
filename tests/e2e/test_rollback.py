"""Bad versions on a real node, under load: the app answers through failure and rollback; the status names the cause.

The images are made for it: they crash, never listen, need another machine. `pytest -m long tests/e2e/test_rollback.py`
prints one line for each: requests, failures, seconds from the edit to the rollback and to the old version whole.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import devcluster
from devcluster import ecr, images, system
from tests.controller.api import Api
from tests.controller.operators import Operator
from tests.e2e.node_apps import App, installed_operator, within

pytestmark = [pytest.mark.node, pytest.mark.long, pytest.mark.timeout(1800)]

_CLOSED_REGION = "eu-west-1"
_CLOSED_HOST = f"{ecr.ACCOUNT}.dkr.ecr.{_CLOSED_REGION}.amazonaws.com"
_WEB = "echo listening; exec /bin/busybox httpd -f -p 8080 -h /www"
_SHELL = ["/bin/busybox", "sh", "-c"]
_AMOUNT = "x=x; while true; do x=$x$x; done"


def _image(script: str, **fields: Any) -> images.Image:
    files = {"/bin/busybox": Path("/bin/busybox").read_bytes(), "/www/index.html": b"shop\n"}
    return images.Image(files=files, entrypoint=[*_SHELL, script], **fields)


def _no_program() -> images.Image:
    """Return an image whose program is of another machine: an ELF header that no kernel here executes."""
    header = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\x00\xb7\x00\x01\x00\x00\x00" + bytes(40)
    return images.Image(files={"/app": header}, entrypoint=["/app"])


@pytest.fixture(scope="module")
def node(node_cluster: devcluster.Cluster) -> devcluster.Cluster:
    """The cluster, with the images that the tests run."""
    system.require({"/bin/busybox": "busybox-static", "nsenter": "util-linux"})
    push = {
        "good": _image(_WEB),
        "better": _image(f"true; {_WEB}"),
        "crash": _image("echo no database at db:5432; exit 1"),
        "late": _image("/bin/busybox httpd -p 8080 -h /www; sleep 20; echo out of luck; exit 1"),
        "deaf": _image("exec /bin/busybox sleep 3600"),
        "foreign": _no_program(),
        "greedy": _image(_AMOUNT),
        "rooted": _image(_WEB, user="0"),
    }
    for tag, image in push.items():
        ecr.push(node_cluster, "shop", tag, image)
    return node_cluster


@pytest.fixture(scope="module")
def _closed(node: devcluster.Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Put a registry beside it that asks the node for a password; ECR's API tells the operator of its image."""
    assert node.registry_url is not None
    folder = tmp_path_factory.mktemp("closed")
    url = f"{node.registry_url.rpartition(':')[0]}:5001"
    (folder / "users").write_text(f"nobody:$2y$05${'x' * 53}\n")
    document = {
        "version": "0.1",
        "storage": {"filesystem": {"rootdirectory": str(folder / "storage")}},
        "http": {"addr": url.removeprefix("http://")},
        "auth": {"htpasswd": {"realm": "closed", "path": str(folder / "users")}},
    }
    (folder / "config.yaml").write_text(json.dumps(document))
    hosts = node.run_dir / "registries" / _CLOSED_HOST
    hosts.mkdir()
    (hosts / "hosts.toml").write_text(
        f'server = "{url}"\n\n[host."{url}"]\n  capabilities = ["pull", "resolve"]\n'
    )
    manifest = images.assemble(_image(_WEB)).manifest
    account = ecr.client(node, _CLOSED_REGION)
    account.create_repository(repositoryName="shop")
    account.put_image(repositoryName="shop", imageManifest=manifest.decode(), imageTag="closed")
    command = [*within(node), "docker-registry", "serve", str(folder / "config.yaml")]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as registry:
        yield
        registry.terminate()


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
    """The operator; a Pod must be ready for 30 seconds, as by default."""
    operator = installed_operator(node, api, tmp_path_factory.mktemp("operator"), min_ready_seconds=30)
    yield operator
    operator.kill()


_MISSED = {"late": 100}
"""One request of so many may fail, else one of 1,000: a Pod that serves and then ends takes what is on its way."""
_CASES: dict[str, tuple[dict[str, Any], str]] = {
    "crash": ({"image": "shop:crash"}, "exit code 1: the program ends with an error: no database at db:5432"),
    "late": ({"image": "shop:late"}, "exit code 1"),
    "deaf": ({"image": "shop:deaf", "rollout": {"progressDeadlineSeconds": 60}}, "readiness probe"),
    "foreign": ({"image": "shop:foreign"}, "exec format error"),
    "secret": (
        {"env": [{"name": "X", "valueFrom": {"secretKeyRef": {"name": "absent", "key": "x"}}}]},
        "Secret absent",
    ),
    "greedy": ({"image": "shop:greedy", "resources": {"limits": {"memory": "24Mi"}}}, "OOMKilled at 24Mi"),
    "root": ({"image": "shop:rooted", "security": {}}, "root"),
    "denied": ({"image": f"{_CLOSED_HOST}/shop:closed"}, "the registry refuses to let the node pull"),
}


@pytest.mark.usefixtures("_closed")
@pytest.mark.parametrize("name", list(_CASES))
def test_a_bad_version_costs_no_request_and_is_rolled_back(
    node: devcluster.Cluster, api: Api, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of the requests through failure and rollback at least 99.9 % are answered; the first line names the cause."""
    app = App(node, api, f"bad-{name}")
    app.apply()
    app.await_condition("Ready", "True", "Running")
    change, words = _CASES[name]
    with app.under_load() as result:
        began = time.monotonic()
        app.apply(**change)
        app.await_condition("RolledOut", "False", "RolledBack")
        failed_after = time.monotonic() - began
        app.await_condition("Ready", "True", "RolledBack")
        whole_after = time.monotonic() - began
        time.sleep(5)
    message = app.message("RolledOut")
    with capsys.disabled():
        print(  # noqa: T201 - the figures
            f"\n{name}: {result['sent']} requests, {result['failed']} failed; rolled back after {failed_after:.0f} s, "
            f"whole after {whole_after:.0f} s\n  {message.splitlines()[0]}"
        )
    api.delete("ContainerApp", "default", app.name)
    assert words in message, message
    assert result["failed"] <= result["sent"] / _MISSED.get(name, 1000), result


def test_a_tag_that_does_not_exist_changes_nothing(node: devcluster.Cluster, api: Api) -> None:
    """The registry says so before a Pod is touched."""
    app = App(node, api, "bad-tag")
    app.apply()
    app.await_condition("Ready", "True", "Running")
    with app.under_load() as result:
        app.apply(image="shop:no-such-tag")
        app.await_condition("Stalled", "True", "ImageNotFound")
        time.sleep(3)
    assert result["failed"] == 0, result
    api.delete("ContainerApp", "default", app.name)


def test_good_rollouts_scaling_and_evictions_lose_no_request(
    node: devcluster.Cluster, api: Api, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of 20,000."""
    app = App(node, api, "steady")
    app.apply(replicas=3, rollout={"minReadySeconds": 5})
    app.await_condition("Ready", "True", "Running")
    sent = 0
    with app.under_load(rate=100) as result:
        began = time.monotonic()
        for turn in range(100):
            app.apply(
                replicas=3, image=("shop:better", "shop:good")[turn % 2], rollout={"minReadySeconds": 5}
            )
            app.await_condition("Ready", "True", "Running")
            app.apply(
                replicas=2, image=("shop:better", "shop:good")[turn % 2], rollout={"minReadySeconds": 5}
            )
            app.await_condition("Ready", "True", "Running")
            _evict_one(node, app)
            app.await_condition("Ready", "True", "Running")
            sent = int((time.monotonic() - began) * 100)
            if sent > 20_500:
                break
    with capsys.disabled():
        print(f"\nsteady: {result['sent']} requests, {result['failed']} failed, {turn + 1} turns")  # noqa: T201
    api.delete("ContainerApp", "default", app.name)
    assert result["sent"] >= 20_000
    assert result["failed"] == 0, result


def _evict_one(node: devcluster.Cluster, app: App) -> None:
    """Evict a Pod as a drain does; its budget says whether it may go."""
    pods = app.api.list("Pod", "default", f"containerapp.dev/app={app.name}")
    name = next(pod["metadata"]["name"] for pod in pods if "deletionTimestamp" not in pod["metadata"])
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": "default"}}
    path = f"/api/v1/namespaces/default/pods/{name}/eviction"
    node.kubectl("create", "--raw", path, "--filename=-", stdin=json.dumps(body))
