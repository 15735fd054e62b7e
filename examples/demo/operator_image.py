"""The operator's image: built by the Dockerfile from uv.lock's wheels, brought into ECR, kept for the next run.

The cached image is named by all that goes into it, so it is rebuilt when the operator's code or its lock file changes
and at no other time.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from devcluster import Cluster, ecr
from examples.demo import base_image, cache, commands
from examples.demo.base_image import Base
from examples.demo.console import Console

REPOSITORY = "containerapp-operator"
_TAG = "demo"
_BASE_TAG = "demo-base:local"
_INGREDIENTS = (
    "Dockerfile",
    ".dockerignore",
    "Makefile",
    "pyproject.toml",
    "uv.lock",
    "README.md",
    "LICENSE",
    "NOTICE",
    "requirements/build.txt",
)


def push(cluster: Cluster, console: Console) -> str:
    """Bring the operator's image into the cluster's ECR and return its reference by digest."""
    if not cluster.docker:
        return _load(cluster, console)
    log = cluster.run_dir / "operator-image.log"
    base = base_image.obtain(console, log)
    directory = cache.entry("operator", _name(base), lambda entry: _make(cluster, console, base, entry))
    cache.load_image(_url(cluster), REPOSITORY, _TAG, directory)
    return ecr.register(cluster, REPOSITORY, _TAG)


def _load(cluster: Cluster, console: Console) -> str:
    """Build the image with the machine's docker, as a user does, and load it onto the nodes."""
    image = f"{ecr.ECR_HOST}/{REPOSITORY}:{_TAG}"
    doing = "building the operator's image (make image)"
    console.note(doing)
    with _wheels_directory():
        log = cluster.run_dir / "operator-image.log"
        commands.run(
            ["make", "image", f"IMAGE={image}"], console=console, doing=doing, log=log, env=cluster.env
        )
    return ecr.load(cluster, REPOSITORY, _TAG)


def _make(cluster: Cluster, console: Console, base: Base, entry: Path) -> None:
    log = cluster.run_dir / "operator-image.log"
    image = f"{ecr.ECR_HOST}/{REPOSITORY}:{_TAG}"

    def run(doing: str, *command: str) -> None:
        console.note(doing)
        commands.run(command, console=console, doing=doing, log=log, env=cluster.env)

    run("importing the base image", "docker", "import", str(base.archive), _BASE_TAG)
    with _wheels_directory():
        run(
            "collecting the wheels of uv.lock (make wheels)", "make", "wheels", f"WHEELS_PYTHON={base.python}"
        )
        build = ("build", "--network=none", f"--build-arg=BASE_IMAGE={_BASE_TAG}", f"--tag={image}", ".")
        run("building the operator's image (docker build)", "docker", *build)
    run("pushing it (docker push)", "docker", "push", image)
    cache.save_image(_url(cluster), REPOSITORY, _TAG, entry)


def _name(base: Base) -> str:
    sources = sorted((commands.ROOT / "operator").rglob("*.py"))
    paths = [str(path.relative_to(commands.ROOT)) for path in sources]
    return cache.key([base.name, *paths], [commands.ROOT / name for name in _INGREDIENTS] + sources)


def _url(cluster: Cluster) -> str:
    return cluster.registry_url or ""


@contextmanager
def _wheels_directory() -> Iterator[None]:
    """Have build/wheels to ourselves: another demo in this clone would empty it."""
    build = commands.ROOT / "build"
    build.mkdir(exist_ok=True)
    with (build / "wheels.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
