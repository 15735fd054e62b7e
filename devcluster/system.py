"""What the machine must offer for a real node and for docker: privileges, namespaces, system packages.

A start asks here first. Missing packages are installed when this runs as root on a Debian-like system; everything else
that is missing is told in one sentence, so that callers can fall back and say why.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from devcluster.options import DevclusterError

_INSTALL_SECONDS = 600
_PROBE_SECONDS = 20

REGISTRY = {"docker-registry": "docker-registry"}
"""Commands, and the Debian packages they come from: for the registry,"""
NODE = REGISTRY | {
    "containerd": "containerd",
    "runc": "runc",
    "/usr/lib/cni/ptp": "containernetworking-plugins",
    "ip": "iproute2",
    "nft": "nftables",
    "iptables": "iptables",
}
"""for a real node,"""
DOCKER = REGISTRY | {"dockerd": "docker.io", "docker": "docker.io", "ip": "iproute2"}
"""and for docker builds."""


def real_node_obstacle() -> str | None:
    """Return why this machine cannot run a real node, or None when it can."""
    return _isolation_obstacle() or _packages_obstacle(NODE)


def docker_obstacle() -> str | None:
    """Return why this machine cannot run docker builds, or None when it can."""
    return _isolation_obstacle() or _packages_obstacle(DOCKER)


def require(commands: dict[str, str]) -> None:
    """Install the packages of missing commands, or say what to install."""
    packages = _missing(commands)
    if not packages:
        return
    if obstacle := _packages_obstacle(commands):
        raise DevclusterError(obstacle)
    print(f"devcluster: installing {' '.join(packages)}", file=sys.stderr, flush=True)
    # RUNLEVEL=1 keeps the packages from starting daemons of their own.
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    for command in (
        ["apt-get", "update"],
        ["apt-get", "install", "-y", "--no-install-recommends", *packages],
    ):
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False, timeout=_INSTALL_SECONDS
        )
        if done.returncode:
            raise DevclusterError(f"{' '.join(command)} failed:\n{done.stdout[-1000:]}{done.stderr[-2000:]}")


def _isolation_obstacle() -> str | None:
    if sys.platform != "linux":
        return "this is not Linux"
    if os.geteuid() != 0:
        return "it needs root"
    if not shutil.which("unshare"):
        return "unshare (util-linux) is not installed"
    if not Path("/sys/fs/cgroup").is_mount():
        return "no control groups are mounted at /sys/fs/cgroup"
    probe = [
        "unshare",
        "--net",
        "--pid",
        "--fork",
        "--mount",
        "--mount-proc",
        "mount",
        "-t",
        "tmpfs",
        "none",
        "/run",
    ]
    done = subprocess.run(probe, capture_output=True, text=True, check=False, timeout=_PROBE_SECONDS)
    return f"namespaces cannot be made here: {done.stderr.strip()}" if done.returncode else None


def _packages_obstacle(commands: dict[str, str]) -> str | None:
    packages = _missing(commands)
    if packages and (os.geteuid() != 0 or not shutil.which("apt-get")):
        return f"install these first: {' '.join(packages)} (names of the Debian packages)"
    return None


def _missing(commands: dict[str, str]) -> list[str]:
    return sorted({package for command, package in commands.items() if not shutil.which(command)})
