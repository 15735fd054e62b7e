"""Leaves parts of a Go module out of a build that nothing here uses and that would take minutes to compile.

`binaries` asks here for the flags of a build. The module is fetched as `go.sum` pins it; a copy of it, without the part
and with a small package of ours in its place, is what the compiler reads. Nothing in Go's own caches is touched.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from devcluster.options import DevclusterError

_FETCH_SECONDS = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    module: str
    left_out: str
    """A directory of the module."""
    package: str
    """A package below it, for which there is one of ours: the directory of the same name beside go.mod."""


_PARTS = {
    "traefik": _Part(module="github.com/go-acme/lego/v4", left_out="providers", package="providers/dns")
}


def flags(go: str, source: Path, scratch: Path) -> list[str]:
    """Return the flags with which the programs of a module directory are built; `scratch` has to last as long."""
    part = _PARTS.get(source.name)
    if part is None:
        return []
    copy = scratch / "module"
    _copy(_fetch(go, source, part.module), copy, part.left_out)
    shutil.copytree(source / Path(part.package).name, copy / part.package)
    module_file = scratch / "go.mod"
    module_file.write_text(f"{(source / 'go.mod').read_text()}\nreplace {part.module} => {copy}\n")
    shutil.copyfile(source / "go.sum", scratch / "go.sum")
    return [f"-modfile={module_file}"]


def _fetch(go: str, source: Path, module: str) -> Path:
    """Return where Go keeps a module, which it compares with its checksum."""
    done = subprocess.run(
        [go, "mod", "download", "-json", module],
        cwd=source,
        capture_output=True,
        text=True,
        check=False,
        timeout=_FETCH_SECONDS,
    )
    if done.returncode:
        raise DevclusterError(f"`go mod download {module}` failed:\n{done.stdout}{done.stderr}")
    return Path(json.loads(done.stdout)["Dir"])


def _copy(module: Path, target: Path, left_out: str) -> None:
    for path in [module / "go.mod", *module.rglob("*.go")]:
        relative = path.relative_to(module)
        if not relative.is_relative_to(left_out):
            (target / relative).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target / relative)
