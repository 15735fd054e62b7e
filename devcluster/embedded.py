"""The embedded provider: a control plane of our own programs, with simulated nodes, a real one or none.

`devcluster.start` calls it when nobody names another provider. It decides the order in which things start, and waits
for each with a time-out; what the servers are is told by `controlplane`, `kwok` and `node`.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

from devcluster import binaries, kwok, pki, rundir
from devcluster.cluster import Cluster, CommandError
from devcluster.controlplane import ControlPlane
from devcluster.options import DevclusterError, Kwok, Options
from devcluster.supervision import Supervision

if TYPE_CHECKING:
    from pathlib import Path

_SETTLE_SECONDS = 60.0


def start(options: Options) -> Cluster:
    """Start a cluster and return when it can be used."""
    programs = binaries.obtain(_needed(options))
    supervision = Supervision.begin([])
    try:
        return _start(options, programs, supervision)
    except BaseException:
        supervision.release()
        raise


def _start(options: Options, programs: dict[str, Path], supervision: Supervision) -> Cluster:
    run_dir = supervision.run_dir
    plane = ControlPlane(
        run_dir=run_dir,
        address=rundir.loopback_address(run_dir),
        programs=programs,
        authority=pki.Authority.create(),
        advertised=False,
    )
    plane.write_certificates()
    cluster = Cluster(
        kubeconfig=plane.kubeconfig("admin", user="admin", groups=("system:masters",)),
        server=plane.server,
        ca_file=plane.ca_file,
        run_dir=run_dir,
        audit_log=_audit_log(options, run_dir),
        address=plane.address,
        supervision=supervision,
    )
    cluster.run_component(plane.etcd())
    cluster.run_component(plane.api_server(cluster.audit_log))
    if options.controllers:
        cluster.run_component(plane.controller_manager())
    if options.nodes and options.controllers:
        cluster.run_component(plane.scheduler())
    if isinstance(options.nodes, Kwok):
        _simulate_nodes(cluster, plane, options.nodes)
    if options.controllers:
        _await_controllers(cluster)
    cluster.describe()
    return cluster


def _needed(options: Options) -> list[str]:
    needed = ["etcd", "kube-apiserver", "kubectl"]
    if options.controllers:
        needed.append("kube-controller-manager")
    if options.nodes and options.controllers:
        needed.append("kube-scheduler")
    if isinstance(options.nodes, Kwok):
        needed.append("kwok")
    return needed


def _audit_log(options: Options, run_dir: Path) -> Path | None:
    if isinstance(options.audit, bool):
        return run_dir / "audit.log" if options.audit else None
    return options.audit.absolute()


def _simulate_nodes(cluster: Cluster, plane: ControlPlane, nodes: Kwok) -> None:
    config = plane.kubeconfig("kwok", user="kwok", groups=("system:masters",))
    cluster.run_component(kwok.component(plane.programs["kwok"], plane.run_dir, config, plane.address))
    objects = {"apiVersion": "v1", "kind": "List", "items": kwok.nodes(nodes.count)}
    cluster.kubectl("create", "--filename=-", stdin=json.dumps(objects))
    cluster.kubectl("wait", "nodes", "--all", "--for=condition=Ready", f"--timeout={_SETTLE_SECONDS:.0f}s")


def _await_controllers(cluster: Cluster) -> None:
    """Wait for the default service account: no Pod can be made in a namespace before it has one."""
    deadline = time.monotonic() + _SETTLE_SECONDS
    while True:
        try:
            cluster.kubectl("get", "serviceaccount", "default", "--namespace=default")
        except CommandError as error:
            if time.monotonic() > deadline:
                raise DevclusterError(
                    f"the controllers did not start within {_SETTLE_SECONDS:.0f} s"
                ) from error
            time.sleep(0.1)
        else:
            return
