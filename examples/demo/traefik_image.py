"""Traefik's image: its program alone, built from its Go module, kept for the next run.

On a cluster of kind, where Docker pulls images anyway, the program comes from the project's own image instead, which
spares minutes; where that cannot be pulled it is built as well.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from devcluster import Cluster, binaries, ecr
from examples.demo import cache, commands
from examples.demo.console import Console
from examples.demo.errors import DemoError

REPOSITORY = "traefik"
_TAG = "demo"
_IMAGE = f"{ecr.ECR_HOST}/{REPOSITORY}:{_TAG}"
# Version 3.6.25, by the digest that github.com/docker-library/repo-info names.
_OFFICIAL = (
    "public.ecr.aws/docker/library/traefik"
    "@sha256:fbc395356327765e9725ae4a6b9c140ba6070cc0fa83c36ab4f1342adcea7141"
)
_RUN = 'USER 65532:65532\nENTRYPOINT ["/traefik"]\n'
_BUILT = f"FROM scratch\nCOPY traefik /traefik\n{_RUN}"
_PULLED = f"FROM {_OFFICIAL} AS official\nFROM scratch\nCOPY --from=official /usr/local/bin/traefik /traefik\n{_RUN}"


def push(cluster: Cluster, console: Console) -> str:
    """Bring Traefik's image into the cluster's ECR and return its reference by digest."""
    if not cluster.docker:
        return _load(cluster, console)
    sources = sorted(path for path in binaries.module_directory("traefik").rglob("*") if path.is_file())
    name = cache.key([_BUILT], sources)
    directory = cache.entry("traefik", name, lambda entry: _make(cluster, console, entry))
    cache.load_image(cluster.registry_url or "", REPOSITORY, _TAG, directory)
    return ecr.register(cluster, REPOSITORY, _TAG)


def _make(cluster: Cluster, console: Console, entry: Path) -> None:
    _build_from_module(cluster, console)
    _docker(cluster, console, "push", _IMAGE)
    cache.save_image(cluster.registry_url or "", REPOSITORY, _TAG, entry)


def _load(cluster: Cluster, console: Console) -> str:
    try:
        _build(cluster, console, _PULLED)
    except DemoError:
        console.note("Traefik's own image cannot be pulled: building Traefik from its Go module")
        _build_from_module(cluster, console)
    return ecr.load(cluster, REPOSITORY, _TAG)


def _build_from_module(cluster: Cluster, console: Console) -> None:
    program = binaries.obtain(["traefik"])["traefik"]
    shutil.copy(program, _context(cluster) / "traefik")
    _build(cluster, console, _BUILT)


def _build(cluster: Cluster, console: Console, dockerfile: str) -> None:
    context = _context(cluster)
    (context / "Dockerfile").write_text(dockerfile)
    _docker(cluster, console, "build", f"--tag={_IMAGE}", str(context))


def _context(cluster: Cluster) -> Path:
    context = cluster.run_dir / "traefik-image"
    context.mkdir(exist_ok=True)
    return context


def _docker(cluster: Cluster, console: Console, *arguments: str) -> None:
    doing = f"docker {arguments[0]} of Traefik's image"
    console.note(doing)
    log = cluster.run_dir / "traefik-image.log"
    commands.run(["docker", *arguments], console=console, doing=doing, log=log, env=cluster.env)
