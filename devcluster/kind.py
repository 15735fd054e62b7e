"""The provider that makes a cluster with kind, for machines where docker can run it.

The cluster is deleted with its last holder, also after a crash: the run's supervisor has the command for it. Images
that docker built are put on the nodes with `load_image`.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from devcluster.existing import from_kubeconfig
from devcluster.options import DevclusterError
from devcluster.supervision import Supervision

if TYPE_CHECKING:
    from devcluster.cluster import Cluster

_CONFIG = Path(__file__).parent / "kind.yaml"
_CREATE_SECONDS = 600
_COMMAND_SECONDS = 120


def start() -> Cluster:
    """Create a kind cluster and return when its nodes are ready."""
    kind = _require()
    supervision = Supervision.begin(lambda _: [])
    run_dir = supervision.run_dir
    kubeconfig = run_dir / "kind.kubeconfig"
    try:
        supervision.at_end(
            [kind, "delete", "cluster", f"--name={_name(run_dir)}", f"--kubeconfig={kubeconfig}"]
        )
        create = ["create", "cluster", f"--name={_name(run_dir)}", f"--kubeconfig={kubeconfig}"]
        _run([kind, *create, f"--config={_CONFIG}", "--wait=300s"], _CREATE_SECONDS)
        return from_kubeconfig(kubeconfig, run_dir, supervision)
    except BaseException:
        supervision.release()
        raise


def load_image(cluster: Cluster, reference: str) -> None:
    """Put an image of the machine's docker onto every node of a kind cluster."""
    _run(
        [_require(), "load", "docker-image", reference, f"--name={_name(cluster.run_dir)}"], _COMMAND_SECONDS
    )


def _name(run_dir: Path) -> str:
    return f"devcluster-{run_dir.name}"


def _require() -> str:
    kind = shutil.which("kind")
    if kind is None or shutil.which("docker") is None:
        raise DevclusterError(
            "DEVCLUSTER_PROVIDER=kind needs kind and docker on PATH; unset it to use neither"
        )
    _run(["docker", "info"], _COMMAND_SECONDS)
    return kind


def _run(command: list[str], seconds: float) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=seconds)
    except subprocess.TimeoutExpired as error:
        raise DevclusterError(f"{' '.join(command)} did not end within {seconds:.0f} s") from error
    if done.returncode:
        raise DevclusterError(f"{' '.join(command)} failed:\n{done.stderr.strip()}")
