"""The provider that makes a cluster with kind, for machines where docker can run it.

The cluster is deleted with its last holder, also after a crash: the run's supervisor has the command for it. Images
that docker built are put on the nodes with `load_image`. AWS' APIs listen on the gateway of kind's network, which
Pods reach and other machines do not.
"""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

from devcluster import binaries, registry
from devcluster.existing import from_kubeconfig
from devcluster.options import DevclusterError, Options, Real
from devcluster.progress import Progress
from devcluster.supervision import Supervision

if TYPE_CHECKING:
    from devcluster.cluster import Cluster

_FILES = Path(__file__).parent
_CREATE_SECONDS = 600
_COMMAND_SECONDS = 120
_PROBE_SECONDS = 10
_NETWORK = "kind"
_GATEWAYS = "{{range .IPAM.Config}}{{.Gateway}} {{end}}"


def obstacle() -> str | None:
    """Return why docker cannot be asked for a kind cluster, or None when it answers."""
    if shutil.which("docker") is None:
        return "Docker is not installed"
    try:
        _run(["docker", "info", "--format={{.ServerVersion}}"], _PROBE_SECONDS)
    except DevclusterError as error:
        return f"Docker does not answer ({str(error).splitlines()[-1].rstrip('.?')})"
    return None


def start(options: Options | None = None) -> Cluster:
    """Create a kind cluster and return when its nodes are ready."""
    if why := obstacle():
        raise DevclusterError(f"kind needs Docker. {why}")
    chosen = options or Options()
    kind = _program()
    supervision = Supervision.begin(lambda _: [])
    run_dir = supervision.run_dir
    kubeconfig = run_dir / "kind.kubeconfig"
    one = isinstance(chosen.nodes, Real) and chosen.nodes.count == 1
    config = _FILES / ("kind-one.yaml" if one else "kind.yaml")
    try:
        supervision.at_end(
            [kind, "delete", "cluster", f"--name={_name(run_dir)}", f"--kubeconfig={kubeconfig}"]
        )
        create = ["create", "cluster", f"--name={_name(run_dir)}", f"--kubeconfig={kubeconfig}"]
        _run([kind, *create, f"--config={config}", "--wait=300s"], _CREATE_SECONDS)
        cluster = from_kubeconfig(kubeconfig, run_dir, supervision)
        if chosen.with_aws:
            cluster = _with_aws(cluster)
            cluster.describe()
    except BaseException:
        supervision.release()
        raise
    return cluster


def load_image(cluster: Cluster, repository: str, tag: str) -> bytes:
    """Put an image of the machine's docker onto every node, and return its manifest.

    The node knows a loaded image by its tag. A Pod that asks for the digest finds it under that name only.
    """
    reference = f"{repository}:{tag}"
    _run(
        [_program(), "load", "docker-image", reference, f"--name={_name(cluster.run_dir)}"], _COMMAND_SECONDS
    )
    manifest = b""
    for node in _nodes(cluster):
        listed = _containerd(node, "images", "ls", f"name=={reference}").decode().splitlines()
        if len(listed) != 2:
            raise DevclusterError(f"{node} does not have {reference} after `kind load docker-image`")
        digest = listed[1].split()[2]
        _containerd(node, "images", "tag", "--force", reference, f"{repository}@{digest}")
        manifest = _containerd(node, "content", "get", digest)
    return manifest


def _with_aws(cluster: Cluster) -> Cluster:
    """Run moto where Pods reach it."""
    address = _gateway()
    endpoint = registry.aws_endpoint(address)
    reached = dataclasses.replace(cluster, address=address, aws_endpoint=endpoint)
    reached.run_component(registry.moto(address))
    node = _nodes(cluster)[0]
    try:
        _run(
            ["docker", "exec", node, "curl", "-sf", "--max-time", "5", f"{endpoint}/moto-api/"],
            _PROBE_SECONDS,
        )
    except DevclusterError as error:
        raise DevclusterError(
            f"containers do not reach {endpoint} on this machine: a firewall may be why"
        ) from error
    return reached


def _gateway() -> str:
    gateways = _run(["docker", "network", "inspect", _NETWORK, f"--format={_GATEWAYS}"], _COMMAND_SECONDS)
    address = next((address for address in gateways.decode().split() if "." in address), None)
    if address is None:
        raise DevclusterError(f"Docker's network {_NETWORK} has no gateway with an IPv4 address")
    return address


def _nodes(cluster: Cluster) -> list[str]:
    return cluster.kubectl("get", "nodes", "--output=jsonpath={.items[*].metadata.name}").split()


def _containerd(node: str, *arguments: str) -> bytes:
    return _run(["docker", "exec", node, "ctr", "--namespace=k8s.io", *arguments], _COMMAND_SECONDS)


def _name(run_dir: Path) -> str:
    return f"devcluster-{run_dir.name}"


def _program() -> str:
    return shutil.which("kind") or str(binaries.obtain(["kind"])["kind"])


def _run(command: list[str], seconds: float) -> bytes:
    """Run a command within a bound and return what it printed; where it takes long, say that it still runs."""
    doing = Progress(" ".join(Path(word).name for word in command[:3]))
    deadline = time.monotonic() + seconds
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        try:
            while True:
                try:
                    said, complaint = process.communicate(timeout=1)
                    break
                except subprocess.TimeoutExpired:
                    if time.monotonic() > deadline:
                        raise DevclusterError(
                            f"{' '.join(command)} did not end within {seconds:.0f} s"
                        ) from None
                    doing.show(f"{doing.elapsed:.0f} s")
        finally:
            process.kill()
            doing.close()
    if process.returncode:
        raise DevclusterError(f"`{' '.join(command)}` failed:\n{complaint.decode(errors='replace').strip()}")
    return said
