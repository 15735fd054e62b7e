"""The embedded provider: a control plane of our own programs, with simulated nodes, real ones or none.

`devcluster.start` calls it when nobody names another provider. It decides the order in which things start, and waits
for each with a time-out; what the servers are is told by `controlplane`, `kwok`, `node` and `registry`.
"""

from __future__ import annotations

import json
import time
from functools import partial
from typing import TYPE_CHECKING

from devcluster import binaries, isolation, kwok, pki, registry, rundir, system
from devcluster.cluster import Cluster, CommandError
from devcluster.controlplane import ControlPlane
from devcluster.node import Node, prepare_images
from devcluster.options import DevclusterError, Kwok, Options, Real
from devcluster.supervision import Supervision

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_SETTLE_SECONDS = 60


def start(options: Options) -> Cluster:
    """Start a cluster and return when it can be used."""
    _require_machine(options)
    programs = binaries.obtain(needed_programs(options))
    supervision = Supervision.begin(_own_namespaces if options.isolated else _no_namespaces)
    try:
        return _start(options, programs, supervision)
    except BaseException:
        supervision.release()
        raise


def _start(options: Options, programs: dict[str, Path], supervision: Supervision) -> Cluster:
    run_dir = supervision.run_dir
    address = _address(options, run_dir)
    if options.isolated:
        isolation.make_control_groups(rundir.control_group(run_dir))
        isolation.connect(run_dir, supervision.process_id)
    plane = ControlPlane(
        run_dir=run_dir,
        address=address,
        programs=programs,
        authority=pki.Authority.create(),
        advertised=options.isolated,
    )
    plane.write_certificates()
    cluster = Cluster(
        kubeconfig=plane.kubeconfig("admin", user="admin", groups=("system:masters",)),
        server=plane.server,
        ca_file=plane.ca_file,
        run_dir=run_dir,
        audit_log=_audit_log(options, run_dir),
        address=address,
        registry_url=registry.registry_url(address) if options.with_ecr else None,
        aws_endpoint=registry.aws_endpoint(address) if options.with_aws else None,
        docker=options.docker,
        supervision=supervision,
    )
    _start_control_plane(cluster, plane, options)
    match options.nodes:
        case Kwok(count=count):
            _simulate_nodes(cluster, plane, count)
        case Real(count=count, dns=dns):
            _start_nodes(cluster, [Node(number=1 + index, plane=plane) for index in range(count)], dns=dns)
        case None:
            pass
    for component in cluster.components:
        cluster.await_ready(component)
    if options.controllers:
        _await_controllers(cluster)
    cluster.describe()
    return cluster


def _start_control_plane(cluster: Cluster, plane: ControlPlane, options: Options) -> None:
    """Start the servers that need no node; those that are slow and needed late are not waited for here."""
    cluster.run_component(plane.etcd())
    if options.with_aws:
        cluster.launch_component(registry.moto(plane.address))
    if options.with_ecr:
        cluster.launch_component(registry.registry(plane.run_dir, plane.address, everywhere=options.isolated))
    if options.docker:
        cluster.launch_component(registry.docker(plane.run_dir))
    cluster.run_component(plane.api_server(cluster.audit_log))
    if options.controllers:
        cluster.run_component(plane.controller_manager())
    if options.controllers and options.nodes:
        cluster.run_component(plane.scheduler())


def needed_programs(options: Options) -> list[str]:
    """Return the names of the programs that a cluster of this shape runs."""
    needed = ["etcd", "kube-apiserver", "kubectl"]
    if options.controllers:
        needed.append("kube-controller-manager")
    if options.nodes and options.controllers:
        needed.append("kube-scheduler")
    match options.nodes:
        case Kwok():
            needed.append("kwok")
        case Real(dns=dns):
            needed.extend(("kubelet", "kube-proxy", "pause", *(["dns"] if dns else [])))
        case None:
            pass
    return needed


def _require_machine(options: Options) -> None:
    if isinstance(options.nodes, Real) and (obstacle := system.real_node_obstacle()):
        raise DevclusterError(f"no real node on this machine: {obstacle}")
    if options.docker and (obstacle := system.docker_obstacle()):
        raise DevclusterError(f"no docker daemon on this machine: {obstacle}")
    if isinstance(options.nodes, Real):
        system.require(system.NODE)
    if options.docker:
        system.require(system.DOCKER)
    if options.with_ecr:
        system.require(system.REGISTRY)


def _own_namespaces(run_dir: Path) -> list[str]:
    return isolation.enter(run_dir, {registry.ECR_HOST: "127.0.0.1"})


def _no_namespaces(_: Path) -> list[str]:
    return []


def _address(options: Options, run_dir: Path) -> str:
    return rundir.node_network(run_dir)[1] if options.isolated else rundir.loopback_address(run_dir)


def _audit_log(options: Options, run_dir: Path) -> Path | None:
    if isinstance(options.audit, bool):
        return run_dir / "audit.log" if options.audit else None
    return options.audit.absolute()


def _simulate_nodes(cluster: Cluster, plane: ControlPlane, count: int) -> None:
    config = plane.kubeconfig("kwok", user="kwok", groups=("system:masters",))
    cluster.run_component(kwok.component(plane.programs["kwok"], plane.run_dir, config, plane.address))
    objects = {"apiVersion": "v1", "kind": "List", "items": kwok.nodes(count)}
    cluster.kubectl("create", "--filename=-", stdin=json.dumps(objects))
    cluster.kubectl("wait", "nodes", "--all", "--for=condition=Ready", f"--timeout={_SETTLE_SECONDS}s")


def _start_nodes(cluster: Cluster, nodes: list[Node], *, dns: bool) -> None:
    cluster.await_ready("registry")
    prepare_images(nodes[0].plane)
    for node in nodes:
        isolation.make_control_groups(node.control_group)
        cluster.run_component(node.containerd())
    for node in nodes:
        _wait(node.socket.exists, "containerd did not start")
        cluster.run_component(node.kubelet())
    cluster.run_component(nodes[0].kube_proxy())
    if dns:
        cluster.launch_component(nodes[0].dns())
    names = [f"node/{node.name}" for node in nodes]
    for name in names:
        _wait(partial(_found, cluster, name), "the kubelet did not register its node")
    cluster.kubectl("wait", *names, "--for=condition=Ready", f"--timeout={_SETTLE_SECONDS}s")


def _await_controllers(cluster: Cluster) -> None:
    """Wait for the default service account: no Pod can be made in a namespace before it has one."""
    _wait(lambda: _found(cluster, "serviceaccount/default"), "the controllers did not start")


def _found(cluster: Cluster, name: str) -> bool:
    try:
        cluster.kubectl("get", name, "--namespace=default")
    except CommandError:
        return False
    return True


def _wait(condition: Callable[[], bool], complaint: str) -> None:
    deadline = time.monotonic() + _SETTLE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise DevclusterError(f"{complaint} within {_SETTLE_SECONDS} s")
        time.sleep(0.1)
