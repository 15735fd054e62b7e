"""Clusters that come from elsewhere: an existing one, or kind's.

kind itself needs privileged containers, so a script stands in for it here: it keeps a record of its calls and hands out
the kubeconfig of an embedded cluster.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import devcluster
from devcluster import kind

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.cluster

_ROOT = Path(__file__).parents[2]
_DIGEST = f"sha256:{'0' * 64}"
_API_ONLY = devcluster.Options(nodes=None, controllers=False)


@pytest.fixture(scope="module")
def target() -> Iterator[devcluster.Cluster]:
    """The cluster that the providers under test find."""
    with devcluster.start(_API_ONLY) as own:
        yield own


@pytest.fixture
def kind_calls(target: devcluster.Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for kind and docker on PATH; the file records kind's calls."""
    calls = tmp_path / "calls"
    script = f"""#!/bin/sh
echo "$1 $2 $3" >> {calls}
for word; do
  case "$1 $word" in create*--kubeconfig=*) cp {target.kubeconfig} "${{word#--kubeconfig=}}";; esac
done
"""
    # Of the command line `docker exec NODE ctr --namespace=k8s.io images ls …` and its like.
    docker = f"""#!/bin/sh
[ "$1" = info ] && exit
echo "docker $*" >> {calls}
case "$5 $6" in
  "images ls") echo "REF TYPE DIGEST"; echo "web:v1 manifest {_DIGEST}";;
  "content get") printf '{{}}';;
esac
"""
    for name, content in {"kind": script, "docker": docker}.items():
        program = tmp_path / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(content)
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setenv("DEVCLUSTER_PROVIDER", "kind")
    return calls


def test_an_existing_cluster_is_used_and_left_alone(
    target: devcluster.Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A given cluster keeps running, and nothing of it can be stopped."""
    monkeypatch.setenv("KUBECONFIG", str(target.kubeconfig))
    monkeypatch.setenv("DEVCLUSTER_PROVIDER", "existing")
    with devcluster.start() as given:
        assert given.server == target.server
        given.kubectl("create", "namespace", "made-through-the-given-one")
        with pytest.raises(devcluster.DevclusterError, match="not started here"):
            given.stop("etcd")
    assert not given.run_dir.exists()
    assert "made-through-the-given-one" in target.kubectl("get", "namespaces")


def test_an_existing_cluster_must_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody's default kubeconfig is used by accident."""
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("DEVCLUSTER_PROVIDER", "existing")
    with pytest.raises(devcluster.DevclusterError, match="needs KUBECONFIG"):
        devcluster.start()


def test_an_unknown_provider_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names those that there are."""
    monkeypatch.setenv("DEVCLUSTER_PROVIDER", "minikube")
    with pytest.raises(devcluster.DevclusterError, match="choose embedded, existing or kind"):
        devcluster.start()


def test_a_kind_cluster_is_created_used_and_deleted(kind_calls: Path, target: devcluster.Cluster) -> None:
    """Everything goes by the run's own cluster name."""
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "control-plane"}}
    target.kubectl("create", "--filename=-", stdin=json.dumps(node))
    with devcluster.start() as made:
        name = f"--name=devcluster-{made.run_dir.name}"
        assert made.server == target.server
        assert kind.load_image(made, "web", "v1") == b"{}"
    containerd = "docker exec control-plane ctr --namespace=k8s.io"
    expected = [
        f"create cluster {name}",
        "load docker-image web:v1",
        f"{containerd} images ls name==web:v1",
        f"{containerd} images tag --force web:v1 web@{_DIGEST}",
        f"{containerd} content get {_DIGEST}",
        f"delete cluster {name}",
    ]
    assert kind_calls.read_text().splitlines() == expected
    assert not made.run_dir.exists()


def test_a_killed_launcher_takes_its_kind_cluster_along(kind_calls: Path) -> None:
    """A crash leaves no containers behind."""
    command = [sys.executable, "-m", "devcluster", "up"]
    with subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE, text=True) as launcher:
        assert launcher.stdout is not None
        next(line for line in launcher.stdout if line.startswith("export KUBECONFIG="))
        launcher.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 20
    while "delete cluster" not in kind_calls.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_docker_that_is_not_installed_is_said_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The message says what is missing rather than failing somewhere inside."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("DEVCLUSTER_PROVIDER", "kind")
    with pytest.raises(devcluster.DevclusterError, match=r"kind needs Docker\. Docker is not installed"):
        devcluster.start()


def test_docker_that_does_not_answer_says_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A laptop user who is not in the docker group reads that, and not that Docker is missing."""
    docker = tmp_path / "docker"
    docker.write_text("#!/bin/sh\necho permission denied while trying to connect >&2\nexit 1\n")
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert kind.obstacle() == "Docker does not answer (permission denied while trying to connect)"


def test_a_given_cluster_vouches_for_no_users(
    target: devcluster.Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its authority is not ours, so service accounts are the way."""
    monkeypatch.setenv("KUBECONFIG", str(target.kubeconfig))
    monkeypatch.setenv("DEVCLUSTER_PROVIDER", "existing")
    with (
        devcluster.start() as given,
        pytest.raises(devcluster.DevclusterError, match="use a service account"),
    ):
        given.kubeconfig_for_user("alice")
