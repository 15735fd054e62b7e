"""The real node and the ECR stand-in: true images in true containers, and nothing of them left afterwards."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import devcluster
from devcluster import ecr, images, system

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.node

_ROOT = Path(__file__).parents[2]
_PAGE = b"served from a real container\n"
_RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "runAsNonRoot": True,
    "runAsUser": 65532,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}


@pytest.fixture(scope="module", autouse=True)
def contents(node_cluster: devcluster.Cluster) -> None:  # noqa: ARG001 - where there is none, nothing is installed
    """Install what the images are made of."""
    system.require({"/bin/busybox": "busybox-static"})


@pytest.fixture(scope="module")
def web(node_cluster: devcluster.Cluster) -> str:
    """The name of a Deployment with a Service, which runs a small web server from an ECR digest.

    Parallel workers share the cluster, so each of them applies the same objects.
    """
    reference = ecr.push(node_cluster, "web", "v1", _web_server(_PAGE))
    _apply(node_cluster, _deployment("web", reference))
    _apply(node_cluster, _service("web"))
    node_cluster.kubectl("rollout", "status", "deployment/web", "--timeout=60s")
    return "web"


@pytest.fixture(scope="module")
def two_nodes(contents: None) -> Iterator[devcluster.Cluster]:  # noqa: ARG001 - the image is made of them
    """A cluster with two real nodes and a Deployment `spread`, one Pod on each, whose page is the Pod's name."""
    with devcluster.start(devcluster.Options(nodes=devcluster.Real(count=2))) as cluster:
        deployment = _deployment("spread", ecr.push(cluster, "web", "v1", _web_server(_PAGE)))
        pod = deployment["spec"]["template"]["spec"]
        serve = "/bin/busybox hostname >/pages/index.html; echo listening; exec /bin/busybox httpd -f -p 8080 -h /pages"
        pod["containers"][0] |= {
            "command": ["/bin/busybox", "sh", "-c", serve],
            "volumeMounts": [{"name": "pages", "mountPath": "/pages"}],
        }
        deployment["spec"]["replicas"] = 2
        pod |= {
            "volumes": [{"name": "pages", "emptyDir": {}}],
            "terminationGracePeriodSeconds": 1,
            "topologySpreadConstraints": [
                {
                    "maxSkew": 1,
                    "topologyKey": "kubernetes.io/hostname",
                    "whenUnsatisfiable": "DoNotSchedule",
                    "nodeTaintsPolicy": "Honor",
                    "labelSelector": deployment["spec"]["selector"],
                }
            ],
        }
        _apply(cluster, deployment)
        _apply(cluster, _service("spread"))
        cluster.kubectl("rollout", "status", "deployment/spread", "--timeout=60s")
        yield cluster


def test_pods_run_images_from_ecr_by_digest(node_cluster: devcluster.Cluster, web: str) -> None:
    """The kubelet pulled the very digest that the reference names."""
    pod = json.loads(node_cluster.kubectl("get", "pods", f"--selector=app={web}", "--output=json"))["items"][
        0
    ]
    asked_for = pod["spec"]["containers"][0]["image"]
    assert asked_for.startswith(f"{ecr.ECR_HOST}/web@sha256:")
    assert pod["status"]["containerStatuses"][0]["imageID"] == asked_for


def test_a_port_forward_serves_the_page(node_cluster: devcluster.Cluster, web: str) -> None:
    """What a user opens in the browser is answered by the container."""
    with _forwarded(node_cluster, f"deployment/{web}") as url:
        assert _get(url) == _PAGE


def test_logs_and_exec_reach_the_container(node_cluster: devcluster.Cluster, web: str) -> None:
    """The API server can talk to the kubelet."""
    said = node_cluster.kubectl("exec", f"deployment/{web}", "--", "/bin/busybox", "cat", "/www/index.html")
    assert said.encode() == _PAGE
    assert node_cluster.kubectl("logs", f"deployment/{web}") == "listening\n"


def test_pods_reach_services_the_api_server_and_aws(node_cluster: devcluster.Cluster, web: str) -> None:
    """An operator that runs as a Pod needs all three."""
    service = f"{web}.default.svc.cluster.local"
    assert _in_pod(node_cluster, web, "wget", "-qO-", f"http://{service}").encode() == _PAGE
    assert "Moto" in _in_pod(node_cluster, web, "wget", "-qO-", f"{node_cluster.aws_endpoint}/moto-api/")
    connect = 'echo | /bin/busybox nc "$KUBERNETES_SERVICE_HOST" "$KUBERNETES_SERVICE_PORT" && echo reached'
    assert "reached" in _in_pod(node_cluster, web, "sh", "-c", connect)


def test_docker_pushes_to_the_ecr_host_and_the_api_knows_the_digest(
    node_cluster: devcluster.Cluster, tmp_path: Path
) -> None:
    """Build, push and run go by the same names and digests as with ECR itself."""
    (tmp_path / "busybox").write_bytes(Path("/bin/busybox").read_bytes())
    (tmp_path / "Dockerfile").write_text('FROM scratch\nCOPY busybox /busybox\nENTRYPOINT ["/busybox"]\n')
    tag = f"{ecr.ECR_HOST}/built:v1"
    _docker(node_cluster, "build", "--quiet", "--tag", tag, str(tmp_path))
    _docker(node_cluster, "push", "--quiet", tag)
    reference = ecr.register(node_cluster, "built", "v1")
    pushed = json.loads(_docker(node_cluster, "image", "inspect", tag))[0]["RepoDigests"]
    assert pushed == [reference]
    known = ecr.client(node_cluster).describe_images(repositoryName="built")["imageDetails"]
    assert [f"{ecr.ECR_HOST}/built@{image['imageDigest']}" for image in known] == [reference]


def test_a_pushed_tag_moves_to_the_new_digest(node_cluster: devcluster.Cluster) -> None:
    """The ECR API follows a tag that is pushed again, and an unchanged push changes nothing."""
    first = ecr.push(node_cluster, "moving", "latest", _web_server(b"1"))
    assert ecr.push(node_cluster, "moving", "latest", _web_server(b"1")) == first
    second = ecr.push(node_cluster, "moving", "latest", _web_server(b"2"))
    answer = ecr.client(node_cluster).batch_get_image(
        repositoryName="moving", imageIds=[{"imageTag": "latest"}]
    )
    assert second != first
    assert second.endswith(answer["images"][0]["imageId"]["imageDigest"])


def test_pods_of_two_nodes_reach_each_other_and_are_reached(two_nodes: devcluster.Cluster) -> None:
    """A Service leads to the Pods of both nodes from either, and the API server talks to both kubelets."""
    places = _places(two_nodes)
    assert sorted(places.values()) == ["node-1", "node-2"]
    for pod in places:
        assert two_nodes.kubectl("exec", pod, "--", "/bin/busybox", "hostname").strip() == pod
        assert two_nodes.kubectl("logs", pod) == "listening\n"
        with _forwarded(two_nodes, f"pod/{pod}") as url:
            assert _get(url).decode().strip() == pod
        _eventually(partial(_reaches, two_nodes, pod, set(places)))


def test_a_drain_moves_a_pod_to_the_other_node(two_nodes: devcluster.Cluster) -> None:
    """What a drain does to an app is seen with real containers, and the node serves again afterwards."""
    before = _places(two_nodes)
    two_nodes.kubectl("drain", "node-1", "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=60s")
    two_nodes.kubectl("rollout", "status", "deployment/spread", "--timeout=60s")
    drained = _places(two_nodes)
    assert list(drained.values()) == ["node-2", "node-2"]
    (stayed,) = set(before) & set(drained)
    two_nodes.kubectl("uncordon", "node-1")
    two_nodes.kubectl("delete", "pod", stayed)
    two_nodes.kubectl("rollout", "status", "deployment/spread", "--timeout=60s")
    assert sorted(_places(two_nodes).values()) == ["node-1", "node-2"]


@pytest.mark.usefixtures("node_cluster")
def test_a_node_is_gone_without_a_trace() -> None:
    """With the node end its processes, its link, its mounts and its control groups; another node is no hindrance."""
    with devcluster.start(devcluster.Options(nodes=devcluster.Real())) as own:
        run_dir = own.run_dir
        assert _traces(run_dir)
    _eventually(lambda: _traces(run_dir) == [])


@pytest.mark.usefixtures("node_cluster")
def test_a_killed_launcher_takes_its_nodes_along() -> None:
    """No crash leaves a kubelet, a container or an interface behind, of the second node neither."""
    command = [sys.executable, "-m", "devcluster", "up", "--nodes=real:2"]
    with subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE, text=True) as launcher:
        assert launcher.stdout is not None
        line = next(line for line in launcher.stdout if line.startswith("export KUBECONFIG="))
        run_dir = Path(line.strip().removeprefix("export KUBECONFIG=")).parent
        assert _traces(run_dir)
        launcher.send_signal(signal.SIGKILL)
    _eventually(lambda: _traces(run_dir) == [])


def _web_server(page: bytes) -> images.Image:
    serve = "echo listening; exec /bin/busybox httpd -f -p 8080 -h /www"
    return images.Image(
        files={"/bin/busybox": Path("/bin/busybox").read_bytes(), "/www/index.html": page},
        entrypoint=["/bin/busybox", "sh", "-c", serve],
    )


def _deployment(name: str, image: str) -> dict[str, Any]:
    container = {
        "name": name,
        "image": image,
        "ports": [{"containerPort": 8080}],
        "readinessProbe": {"tcpSocket": {"port": 8080}, "periodSeconds": 1},
        "securityContext": _RESTRICTED,
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container]}},
        },
    }


def _service(name: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"selector": {"app": name}, "ports": [{"port": 80, "targetPort": 8080}]},
    }


def _apply(cluster: devcluster.Cluster, manifest: dict[str, Any]) -> None:
    cluster.kubectl("apply", "--server-side", "--filename=-", stdin=json.dumps(manifest))


@contextlib.contextmanager
def _forwarded(cluster: devcluster.Cluster, target: str) -> Iterator[str]:
    command = [str(cluster.binary("kubectl")), "port-forward", target, ":8080", "--address=127.0.0.1"]
    with subprocess.Popen(
        command, env=os.environ | cluster.env, stdout=subprocess.PIPE, text=True
    ) as forward:
        assert forward.stdout is not None
        port = forward.stdout.readline().split("127.0.0.1:")[1].split(" ")[0]
        yield f"http://127.0.0.1:{port}"
        forward.terminate()


def _get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=10) as response:  # noqa: S310 - the port-forward's own URL
        content: bytes = response.read()
        return content


def _in_pod(cluster: devcluster.Cluster, name: str, *command: str) -> str:
    return cluster.kubectl("exec", f"deployment/{name}", "--", "/bin/busybox", *command)


def _places(cluster: devcluster.Cluster) -> dict[str, str]:
    """Return the node of each Pod that is not about to go."""
    pods = json.loads(cluster.kubectl("get", "pods", "--output=json"))["items"]
    return {
        pod["metadata"]["name"]: pod["spec"]["nodeName"]
        for pod in pods
        if "deletionTimestamp" not in pod["metadata"]
    }


def _reaches(cluster: devcluster.Cluster, pod: str, others: set[str]) -> bool:
    """Say whether all the others answered a few requests of a Pod to their Service."""
    ask = "for _ in 1 2 3 4 5 6 7 8; do /bin/busybox wget -qO- http://spread; done"
    said = cluster.kubectl("exec", pod, "--", "/bin/busybox", "sh", "-c", ask, timeout=20)
    return set(said.split()) == others


def _docker(cluster: devcluster.Cluster, *arguments: str) -> str:
    done = subprocess.run(
        ["docker", *arguments],
        env=os.environ | cluster.env,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _traces(run_dir: Path) -> list[str]:
    """Return what this machine still has of a run, one word each."""
    links = [f"link {path.name}" for path in Path("/sys/class/net").glob(f"dc{run_dir.name}")]
    groups = [f"group {path}" for path in Path("/sys/fs/cgroup").glob(f"*/devcluster-{run_dir.name}")]
    mounts = [
        f"mount {line}" for line in Path("/proc/mounts").read_text().splitlines() if run_dir.name in line
    ]
    files = [f"file {path}" for path in run_dir.parent.glob(f"{run_dir.name}*")]
    processes = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if run_dir.name in (entry / "cgroup").read_text() + (entry / "environ").read_text(
                errors="replace"
            ):
                processes.append(f"process {entry.name}")
    return [*links, *groups, *mounts, *files, *processes]


def _eventually(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not become true in time"
        time.sleep(0.1)
