"""Where the cluster's programs come from: ready ones, or built once from Go modules.

Asked for by name, a program is taken from `KUBEBUILDER_ASSETS` when it is there, else from the user's cache directory,
else built there. The cache is keyed by the module's files, so a version bump builds anew and nothing else
does. Two runs that need the same program build it once; a half-built program is never seen.
"""

from __future__ import annotations

import contextlib
import fcntl
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

from devcluster import toolchain
from devcluster.options import DevclusterError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_MODULES = Path(__file__).parent / "gomod"
_BUILD_SECONDS = 3600
_REPORT_SECONDS = 15


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
    "kwok": _Program(module="tools", package="sigs.k8s.io/kwok/cmd/kwok", built_as="kwok"),
    **{
        name: _Program(
            module="prometheus", package=f"github.com/prometheus/prometheus/cmd/{name}", built_as=name
        )
        for name in ("prometheus", "promtool")
    },
}


def cache_root() -> Path:
    """Return the directory that keeps the built programs between runs."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "containerapp-devcluster"


def obtain(names: Iterable[str]) -> dict[str, Path]:
    """Return the path of each program, building those that are nowhere yet."""
    wanted = list(names)
    missing = [name for name in wanted if _existing(name) is None]
    for module in sorted({PROGRAMS[name].module for name in missing}):
        _build(module, [name for name in missing if PROGRAMS[name].module == module])
    found = {name: _existing(name) for name in wanted}
    return {name: path for name, path in found.items() if path is not None}


def outdated() -> list[Path]:
    """Return the cache's directories that hold programs of other versions than these modules name."""
    current = {_cache_directory(program.module) for program in PROGRAMS.values()}
    kept = current | {cache_root() / "go"}
    return sorted(path for path in cache_root().glob("*") if path not in kept)


def _existing(name: str) -> Path | None:
    ready = Path(os.environ.get("KUBEBUILDER_ASSETS", "/nonexistent")) / name
    cached = _cache_directory(PROGRAMS[name].module) / "bin" / name
    return next((path for path in (ready, cached) if os.access(path, os.X_OK)), None)


def _cache_directory(module: str) -> Path:
    source = _MODULES / module
    digest = hashlib.sha256()
    for path in sorted(path for path in source.rglob("*") if path.is_file()):
        digest.update(path.read_bytes())
    return cache_root() / f"{module}-{digest.hexdigest()[:16]}"


def _build(module: str, names: list[str]) -> None:
    directory = _cache_directory(module)
    (directory / "bin").mkdir(parents=True, exist_ok=True)
    with _exclusive(directory / "lock"):
        names = [name for name in names if _existing(name) is None]
        if not names:
            return
        with tempfile.TemporaryDirectory(dir=directory) as scratch:
            _go_build(module, names, Path(scratch))
            for name in names:
                (Path(scratch) / PROGRAMS[name].built_as).rename(directory / "bin" / name)


@contextlib.contextmanager
def _exclusive(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("devcluster: another run is building the same programs; waiting for it", file=sys.stderr)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _go_build(module: str, names: list[str], target: Path) -> None:
    command = [
        *(toolchain.find_go(cache_root()), "build", "-v", "-trimpath", "-ldflags", _linker_flags(module)),
        *("-tags", _TAGS.get(module, "")),
        *("-o", f"{target}/", *(PROGRAMS[name].package for name in names)),
    ]
    print(
        f"devcluster: building {', '.join(names)} from Go modules (minutes the first time, kept in {cache_root()})",
        file=sys.stderr,
        flush=True,
    )
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            command,
            cwd=_MODULES / module,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
        try:
            _report_until_done(process, lambda: _built_packages(output.fileno()))
        finally:
            process.kill()
            process.wait()
        if process.returncode:
            said = os.pread(output.fileno(), 1 << 24, 0).decode(errors="replace")
            raise DevclusterError(f"building {', '.join(names)} failed:\n{said[-3000:]}")


def _built_packages(output: int) -> int:
    return os.pread(output, 1 << 24, 0).count(b"\n")


def _report_until_done(process: subprocess.Popen[bytes], progress: Callable[[], int]) -> None:
    """Show how long the build runs: every second on a terminal, now and then in a log."""
    begin = time.monotonic()
    on_terminal = sys.stderr.isatty()
    while process.poll() is None:
        elapsed = int(time.monotonic() - begin)
        if elapsed > _BUILD_SECONDS:
            raise DevclusterError(
                f"the build took longer than {_BUILD_SECONDS // 60} minutes and was stopped"
            )
        line = f"devcluster: building, {elapsed // 60}m{elapsed % 60:02d}s, {progress()} packages so far"
        if on_terminal:
            print(f"\r{line} ", end="", file=sys.stderr, flush=True)
        elif elapsed and elapsed % _REPORT_SECONDS == 0:
            print(line, file=sys.stderr, flush=True)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=1)
    if on_terminal:
        print(file=sys.stderr)


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
