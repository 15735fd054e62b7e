"""The embedded cluster as its users meet it: quick, complete, and gone without a trace."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import devcluster
from devcluster import rundir

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.cluster

_ROOT = Path(__file__).parents[2]
_API_ONLY = devcluster.Options(nodes=None, controllers=False)


def test_runs_pods_on_nodes_in_three_zones(cluster: devcluster.Cluster, namespace: str) -> None:
    """A Deployment becomes available, which takes the whole control plane and the nodes."""
    zones = cluster.kubectl(
        "get", "nodes", "--output=jsonpath={.items[*].metadata.labels.topology\\.kubernetes\\.io/zone}"
    )
    assert sorted(zones.split()) == ["zone-a", "zone-b", "zone-c"]
    _deploy(cluster, namespace, "web", {})
    cluster.kubectl("rollout", "status", "deployment/web", f"--namespace={namespace}", "--timeout=30s")


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [("image-pull-error", "ImagePullBackOff"), ("crash-loop", "CrashLoopBackOff")],
)
def test_pods_fail_as_their_annotation_asks(
    cluster: devcluster.Cluster, namespace: str, behaviour: str, reason: str
) -> None:
    """A test of a failing rollout can have a Pod fail in the way it is about."""
    _deploy(cluster, namespace, "web", {"devcluster/behaviour": behaviour})
    path = "{.items[*].status.containerStatuses[*].state.waiting.reason}"
    _eventually(
        lambda: (
            cluster.kubectl("get", "pods", f"--namespace={namespace}", f"--output=jsonpath={path}") == reason
        )
    )


def test_a_namespace_refuses_pods_that_are_not_restricted(
    cluster: devcluster.Cluster, namespace: str
) -> None:
    """Tests run under the strictest Pod Security standard, as their users may."""
    with pytest.raises(devcluster.CommandError, match="violates PodSecurity"):
        cluster.kubectl("run", "web", "--image=web", f"--namespace={namespace}")


def test_a_service_account_has_no_rights_of_its_own(cluster: devcluster.Cluster, namespace: str) -> None:
    """What runs under such a kubeconfig is the service account, not the administrator."""
    config = cluster.kubeconfig_for_service_account(namespace, "default")
    said = cluster.kubectl(
        "auth", "whoami", "--output=jsonpath={.status.userInfo.username}", kubeconfig=config
    )
    assert said == f"system:serviceaccount:{namespace}:default"
    with pytest.raises(devcluster.CommandError, match="forbidden"):
        cluster.kubectl("get", "pods", f"--namespace={namespace}", kubeconfig=config)


def test_a_user_is_known_by_name_and_groups(cluster: devcluster.Cluster) -> None:
    """RBAC rules can be tried on users that nobody else is."""
    config = cluster.kubeconfig_for_user("alice", groups=["testers"])
    info = json.loads(cluster.kubectl("auth", "whoami", "--output=json", kubeconfig=config))["status"][
        "userInfo"
    ]
    assert info["username"] == "alice"
    assert "testers" in info["groups"]


def test_the_audit_log_tells_who_did_what(cluster: devcluster.Cluster, namespace: str) -> None:
    """Every request is one line with its user, verb and resource."""
    cluster.kubectl("create", "configmap", "audited", f"--namespace={namespace}")
    log = cluster.audit_log
    assert log is not None

    def created() -> bool:
        events = [json.loads(line) for line in log.read_text().splitlines() if "audited" in line]
        return [
            (event["user"]["username"], event["verb"], event["objectRef"]["resource"])
            for event in events
            if event["objectRef"]["namespace"] == namespace and event["verb"] == "create"
        ] == [("admin", "create", "configmaps")]

    _eventually(created)


def test_leaves_nothing_behind() -> None:
    """After the end there is no process, no listening port and no file of the run."""
    with devcluster.start(_API_ONLY) as own:
        run_dir, address = own.run_dir, own.address
        assert len(rundir.marked_processes(run_dir)) == 2
        assert _listens(address)
    assert rundir.marked_processes(run_dir) == []
    assert not _listens(address)
    assert not run_dir.exists()
    assert not run_dir.with_suffix(".lock").exists()


def test_two_clusters_live_side_by_side() -> None:
    """Each has its own address and its own objects."""
    with devcluster.start(_API_ONLY) as one, devcluster.start(_API_ONLY) as other:
        one.kubectl("create", "namespace", "only-here")
        assert one.server != other.server
        assert "only-here" not in other.kubectl("get", "namespaces")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_killed_launcher_leaves_nothing_behind(number: signal.Signals) -> None:
    """However the launcher ends, its run ends with it."""
    launcher, run_dir = _launch()
    launcher.send_signal(number)
    launcher.wait(timeout=20)
    _eventually(lambda: not run_dir.exists() and not rundir.marked_processes(run_dir))


def test_a_killed_supervisor_takes_its_components_along() -> None:
    """The kernel ends the components, and the next start removes their files."""
    launcher, run_dir = _launch()
    supervisor = _children(launcher.pid)[0]
    os.kill(supervisor, signal.SIGKILL)
    launcher.kill()
    launcher.wait(timeout=20)
    _eventually(lambda: not rundir.marked_processes(run_dir))
    assert run_dir in rundir.sweep()
    assert not run_dir.exists()


def test_a_stopped_server_comes_back_with_its_data() -> None:
    """Outages can be played: the API server and the store can be stopped, killed, paused and started."""
    with devcluster.start(_API_ONLY) as own:
        own.kubectl("create", "namespace", "kept")
        own.stop("kube-apiserver")
        assert own.pid("kube-apiserver") is None
        with pytest.raises(devcluster.CommandError):
            own.kubectl("get", "namespaces", "--request-timeout=2s")
        own.signal("etcd", signal.SIGKILL)
        _eventually(lambda: own.pid("etcd") is None)
        own.start("etcd")
        own.start("kube-apiserver")
        assert "kept" in own.kubectl("get", "namespaces")


def test_a_cluster_lives_until_its_last_holder_leaves(tmp_path: Path) -> None:
    """Parallel test workers share one cluster, whichever of them started it."""
    note = tmp_path / "shared.run"
    first = devcluster.start_or_join(_API_ONLY, note)
    second = devcluster.start_or_join(_API_ONLY, note)
    assert first.run_dir == second.run_dir
    first.close()
    second.kubectl("create", "namespace", "still-there")
    second.close()
    assert not first.run_dir.exists()


def test_a_component_that_fails_says_why() -> None:
    """The end of the server's own log is in the message."""
    with devcluster.start(_API_ONLY) as own:
        own.stop("kube-apiserver")
        (own.run_dir / "pki" / "apiserver.key").unlink()
        with pytest.raises(devcluster.DevclusterError, match=r"apiserver\.key: no such file or directory"):
            own.start("kube-apiserver")


def _deploy(cluster: devcluster.Cluster, namespace: str, name: str, annotations: dict[str, str]) -> None:
    labels = {"app": name}
    security = {
        "allowPrivilegeEscalation": False,
        "runAsNonRoot": True,
        "runAsUser": 1000,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    manifest = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels, "annotations": annotations},
                "spec": {"containers": [{"name": name, "image": "web", "securityContext": security}]},
            },
        },
    }
    cluster.kubectl("create", "--filename=-", stdin=json.dumps(manifest))


def _launch() -> tuple[subprocess.Popen[str], Path]:
    """Start the command line's `up`, as a user would in a terminal, and return it with its run directory."""
    launcher = subprocess.Popen(
        [sys.executable, "-m", "devcluster", "up", "--nodes=none"],
        cwd=_ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert launcher.stdout is not None
    with launcher.stdout as lines:
        line = next(line for line in lines if line.startswith("export KUBECONFIG="))
    return launcher, Path(line.strip().removeprefix("export KUBECONFIG=")).parent


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _listens(address: str) -> bool:
    with contextlib.closing(socket.socket()) as probe:
        return probe.connect_ex((address, 6443)) == 0


def _eventually(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not become true in time"
        time.sleep(0.05)
