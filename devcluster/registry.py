"""The stand-in for Amazon ECR: a registry for the images, moto for the API, docker to build and push.

`embedded` starts these servers when the options ask for them. One host name stands for all of it: nodes pull from it,
docker pushes to it, and what it holds is what moto's API tells. Nothing ever leaves the machine.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import yaml

from devcluster import rundir
from devcluster.supervision import Component

if TYPE_CHECKING:
    from pathlib import Path

ACCOUNT = "123456789012"
REGION = "us-east-1"
ECR_HOST = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com"
_MOTO_PORT = 5555
# Port 80 lets docker push to the bare host name, as it does to ECR; only root may use it.
_ROOT_PORT, _USER_PORT = 80, 5000


def registry_url(address: str) -> str:
    """Return where the registry serves."""
    return f"http://{address}:{_ROOT_PORT if os.geteuid() == 0 else _USER_PORT}"


def aws_endpoint(address: str) -> str:
    """Return where moto serves every AWS API."""
    return f"http://{address}:{_MOTO_PORT}"


def aws_environment(endpoint: str) -> dict[str, str]:
    """Return what makes an AWS SDK use moto and nothing else."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "devcluster",
        "AWS_SECRET_ACCESS_KEY": "devcluster",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def registry(run_dir: Path, address: str, *, everywhere: bool) -> Component:
    """Return the registry, with its storage in the run directory; it may serve at every address of a network."""
    url = registry_url(address)
    host, _, port = url.removeprefix("http://").rpartition(":")
    config = run_dir / "registry.yaml"
    document = {
        "version": "0.1",
        "log": {"level": "warn"},
        "storage": {"filesystem": {"rootdirectory": str(run_dir / "registry")}, "delete": {"enabled": True}},
        "http": {"addr": f"{'' if everywhere else host}:{port}"},
    }
    config.write_text(yaml.safe_dump(document))
    return Component(name="registry", argv=["docker-registry", "serve", str(config)], ready_url=f"{url}/v2/")


def moto(address: str) -> Component:
    """Return moto's server; its state is in memory and new in every run."""
    endpoint = aws_endpoint(address)
    return Component(
        name="moto",
        argv=[sys.executable, "-m", "moto.server", "-H", address, "-p", str(_MOTO_PORT)],
        env={"MOTO_ACCOUNT_ID": ACCOUNT},
        ready_url=f"{endpoint}/moto-api/",
    )


def docker(run_dir: Path) -> Component:
    """Return a docker daemon that keeps everything in the run directory and sets up no network.

    It needs the run's namespaces: the ECR host name leads to the registry in there, at the loopback address. On the
    node's address a load balancer may serve HTTPS, for which docker looks first.
    """
    data = run_dir / "docker"
    data.mkdir()
    return Component(
        name="docker",
        argv=[
            *("dockerd", f"--host={docker_host(run_dir)}", f"--data-root={data / 'data'}"),
            *(f"--exec-root={data / 'exec'}", f"--pidfile={data / 'pid'}", "--bridge=none"),
            *("--iptables=false", "--ip6tables=false", f"--insecure-registry={ECR_HOST}"),
            *("--exec-opt=native.cgroupdriver=cgroupfs", f"--cgroup-parent=/{rundir.control_group(run_dir)}"),
        ],
    )


def docker_environment(run_dir: Path) -> dict[str, str]:
    """Return what makes the docker command use this run's daemon."""
    return {
        "DOCKER_HOST": docker_host(run_dir),
        "DOCKER_CONFIG": str(run_dir / "docker" / "config"),
        "DOCKER_BUILDKIT": "0",  # the classic builder needs no plugin, and Dockerfiles here ask for nothing newer
    }


def docker_host(run_dir: Path) -> str:
    """Return the address of this run's docker daemon."""
    return f"unix://{run_dir}/docker/docker.sock"
