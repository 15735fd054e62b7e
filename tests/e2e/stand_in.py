"""Stands in for `docker` and `kind`, by whose name it is called: it records its command line and plays a kind node.

kind needs privileged containers. Its node is played by a node that the test has started: builds go to that node's
docker, `kind load` is a push to its registry, and what containerd would answer is what that registry knows.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

_ACCEPT = "application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.manifest.v1+json"


def main(name: str, arguments: list[str]) -> None:
    """Record the call and answer it."""
    config = json.loads(Path(os.environ["STAND_IN"]).read_text())
    with Path(config["calls"]).open("a") as calls:
        calls.write(f"{name} {' '.join(arguments)}\n")
    match [name, *arguments]:
        case ["docker", "info", *_]:
            sys.stdout.write("29.0.0\n")
        case ["docker", "network", "inspect", *_]:
            sys.stdout.write(f"fc00::1 {config['gateway']}\n")
        case ["docker", "exec", _, "ctr", _, *command]:
            _containerd(config, command)
        case ["docker", "exec", *_]:
            pass
        case ["docker", "build", *rest]:
            _docker(config, ["build", "--network=none", *rest])
        case ["docker", "image" | "save" | "load", *_]:
            _docker(config, arguments)
        case ["kind", "create", *rest]:
            time.sleep(config["seconds"])
            target = next(word for word in rest if word.startswith("--kubeconfig="))
            shutil.copy(config["kubeconfig"], target.partition("=")[2])
        case ["kind", "load", "docker-image", reference, *_]:
            _docker(config, ["push", reference])
        case ["kind", "delete", *_]:
            pass
        case _:
            sys.exit(f"the stand-in knows no {name} {arguments}")


def _docker(config: dict[str, Any], arguments: list[str]) -> None:
    os.execve(config["docker"], ["docker", *arguments], {**os.environ, **config["environment"]})  # noqa: S606 - no shell is meant


def _containerd(config: dict[str, Any], command: list[str]) -> None:
    """Answer `ctr images ls|tag` and `ctr content get` from what the registry has."""
    kept = Path(config["calls"]).parent
    match command:
        case ["images", "ls", selector]:
            reference = selector.removeprefix("name==")
            _, _, image = reference.partition("/")
            repository, _, tag = image.partition(":")
            url = f"{config['registry']}/v2/{repository}/manifests/{tag}"
            request = urllib.request.Request(url, headers={"Accept": _ACCEPT})  # noqa: S310 - the test's own registry
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request) as response:
                digest = response.headers["Docker-Content-Digest"]
                (kept / digest).write_bytes(response.read())
            sys.stdout.write(f"REF TYPE DIGEST SIZE\n{reference} manifest {digest} 1MiB\n")
        case ["content", "get", digest]:
            sys.stdout.buffer.write((kept / digest).read_bytes())
        case _:  # `images tag`: the registry knows every image by its digest anyhow
            pass


if __name__ == "__main__":
    main(Path(sys.argv[0]).name, sys.argv[1:])
