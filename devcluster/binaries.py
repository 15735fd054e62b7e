"""Where the cluster's programs come from: ready ones, release binaries, or a build from Go modules.

Asked for by name, a program is taken from `KUBEBUILDER_ASSETS` when it is there, else from the user's cache directory,
else downloaded into it (`releases`), else built there. The cache is keyed by the module's files, so a new version is
built and nothing else is. Two runs that need the same program build it once; a half-built program is never seen.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from devcluster import releases, toolchain, trimming
from devcluster.locks import exclusive
from devcluster.options import DevclusterError
from devcluster.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_MODULES = Path(__file__).parent / "gomod"
_BUILD_SECONDS = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class _Program:
    module: str
    package: str
    built_as: str


_TAGS = {"prometheus": "remove_all_sd"}
"""Build tags of a module: Prometheus without its service discoveries, each of which brings some cloud's SDK."""


def _kubernetes(name: str) -> _Program:
    return _Program(module="kubernetes", package=f"k8s.io/kubernetes/cmd/{name}", built_as=name)


PROGRAMS = {
    **{
        name: _kubernetes(name)
        for name in (
            "kube-apiserver",
            "kube-controller-manager",
            "kube-scheduler",
            "kubectl",
            "kubelet",
            "kube-proxy",
        )
    },
    "etcd": _Program(module="tools", package="go.etcd.io/etcd/server/v3", built_as="server"),
    "helm": _Program(module="tools", package="helm.sh/helm/v4/cmd/helm", built_as="helm"),
    "dns": _Program(module="tools", package="./dns", built_as="dns"),
    "pause": _Program(module="tools", package="./pause", built_as="pause"),
    "kind": _Program(module="kind", package="sigs.k8s.io/kind", built_as="kind"),
    "kwok": _Program(module="tools", package="sigs.k8s.io/kwok/cmd/kwok", built_as="kwok"),
    "traefik": _Program(
        module="traefik", package="github.com/traefik/traefik/v3/cmd/traefik", built_as="traefik"
    ),
    **{
        name: _Program(
            module="prometheus", package=f"github.com/prometheus/prometheus/cmd/{name}", built_as=name
        )
        for name in ("prometheus", "promtool")
    },
    "external-secrets": _Program(
        module="external-secrets",
        package="github.com/external-secrets/external-secrets",
        built_as="external-secrets",
    ),
    "kueue": _Program(module="kueue", package="sigs.k8s.io/kueue/cmd/kueue", built_as="kueue"),
}

RARE = frozenset({"external-secrets", "kueue"})
"""Programs that take many minutes to build, and that few tests need: no one builds them who does not name them."""


def module_directory(name: str) -> Path:
    """Return the folder of the module files that name the version of a program."""
    return _MODULES / PROGRAMS[name].module


def cache_root() -> Path:
    """Return the directory that keeps the built programs between runs."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "containerapp-devcluster"


def obtain(names: Iterable[str]) -> dict[str, Path]:
    """Return the path of each program, fetching or building those that are nowhere yet."""
    wanted = list(names)
    if missing := _missing(wanted):
        releases.install(missing, cache_root())
    for module in sorted({PROGRAMS[name].module for name in _missing(wanted)}):
        _build(module, [name for name in wanted if PROGRAMS[name].module == module])
    found = {name: _existing(name) for name in wanted}
    return {name: path for name, path in found.items() if path is not None}


def outdated() -> list[Path]:
    """Return the cache's directories that hold programs of other versions than these modules and releases name."""
    current = {_cache_directory(program.module) for program in PROGRAMS.values()}
    kept = current | {cache_root() / "go"} | releases.directories(cache_root())
    return sorted(path for path in cache_root().glob("*") if path not in kept)


def _missing(names: Iterable[str]) -> list[str]:
    return [name for name in names if _existing(name) is None]


def _existing(name: str) -> Path | None:
    ready = Path(os.environ.get("KUBEBUILDER_ASSETS", "/nonexistent")) / name
    built = _cache_directory(PROGRAMS[name].module) / "bin" / name
    released = releases.find(name, cache_root())
    return next((path for path in (ready, built, released) if path and os.access(path, os.X_OK)), None)


def _cache_directory(module: str) -> Path:
    source = _MODULES / module
    digest = hashlib.sha256()
    for path in sorted(path for path in source.rglob("*") if path.is_file()):
        digest.update(path.read_bytes())
    return cache_root() / f"{module}-{digest.hexdigest()[:16]}"


def _build(module: str, names: list[str]) -> None:
    directory = _cache_directory(module)
    (directory / "bin").mkdir(parents=True, exist_ok=True)
    with exclusive(directory / "lock"):
        names = _missing(names)
        if not names:
            return
        with tempfile.TemporaryDirectory(dir=directory) as scratch:
            _go_build(module, names, Path(scratch))
            for name in names:
                (Path(scratch) / PROGRAMS[name].built_as).rename(directory / "bin" / name)


def _go_build(module: str, names: list[str], target: Path) -> None:
    go = toolchain.find_go(cache_root())
    # The linker drops debugging information anyhow; the compiler's would be a quarter of its cache.
    flags = ["-trimpath", "-gcflags=all=-dwarf=false", "-ldflags", _linker_flags(module)]
    flags += ["-tags", _TAGS.get(module, "")]
    packages = [PROGRAMS[name].package for name in names]
    print(
        f"devcluster: building {', '.join(names)} from Go modules, once (kept in {cache_root()})",
        file=sys.stderr,
        flush=True,
    )
    progress = Progress(f"building {module}")
    try:
        flags += trimming.flags(go, _MODULES / module, target / "trimmed")
        total = _run_go(
            [go, "list", *flags, "-deps", "-f", "{{if .Stale}}{{.ImportPath}}{{end}}", *packages],
            module,
            lambda _: progress.show(f"fetching its sources, {progress.elapsed:.0f} s"),
        )
        compiling = Progress(f"building {module}")
        _run_go(
            [go, "build", "-v", *flags, "-o", f"{target}/", *packages],
            module,
            lambda done: compiling.show(*_compiled(done, total)),
        )
    finally:
        progress.close()
    print(f"devcluster: {module} is built ({progress.elapsed:.0f} s)", file=sys.stderr, flush=True)


def _compiled(done: int, total: int) -> tuple[str, float | None]:
    """Return how far a build is; the programs are linked after the last package."""
    if done < total:
        return f"{done * 100 // total} % of {total} packages", done / total
    return "linking", None


def _run_go(command: list[str], module: str, report: Callable[[int], None]) -> int:
    """Run a go command, report every second how many lines it has printed, and return how many it were."""
    deadline = time.monotonic() + _BUILD_SECONDS
    with tempfile.TemporaryFile() as output:

        def printed() -> bytes:
            return os.pread(output.fileno(), 1 << 24, 0)

        process = subprocess.Popen(
            command,
            cwd=_MODULES / module,
            env={**os.environ, "CGO_ENABLED": "0"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
        try:
            while process.poll() is None:
                if time.monotonic() > deadline:
                    raise DevclusterError(
                        f"the build took longer than {_BUILD_SECONDS // 60} minutes and was stopped"
                    )
                report(_packages(printed()))
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(timeout=1)
        finally:
            process.kill()
            process.wait()
        if process.returncode:
            said = printed().decode(errors="replace")
            raise DevclusterError(f"`go {command[1]}` failed for the programs of {module}:\n{said[-3000:]}")
        return _packages(printed())


def _packages(output: bytes) -> int:
    """Count the lines that name a package; the others are go's own remarks."""
    return sum(bool(line) and not line.startswith(b"go: ") for line in output.splitlines())


def _linker_flags(module: str) -> str:
    """Stamp the version that go.mod names into the Kubernetes programs, which say v0.0.0 otherwise."""
    flags = "-s -w"
    required = re.search(r"k8s\.io/kubernetes v(\d+)\.(\d+)\.\d+", (_MODULES / module / "go.mod").read_text())
    if required:
        version = required[0].split()[1]
        values = {"gitVersion": version, "gitMajor": required[1], "gitMinor": required[2]}
        flags += "".join(
            f" -X k8s.io/component-base/version.{name}={value}" for name, value in values.items()
        )
    return flags
