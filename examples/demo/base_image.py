"""The base of the operator's image: a minimal Debian (or Ubuntu) with Python, assembled from packages.

Pulled bases need a registry that can be reached; a run's docker daemon reaches none but its own. The release is that of
the machine where possible, so that the wheels, which are chosen for the machine's C library, fit.
"""

from __future__ import annotations

import platform
import re
import tarfile
from dataclasses import dataclass
from pathlib import Path

from devcluster import system
from examples.demo import cache, commands
from examples.demo.console import Console
from examples.demo.errors import DemoError

_PACKAGES = "ca-certificates,python3,python3-venv"
_LEFT_OUT = ("doc", "info", "locale", "man")
"""Of /usr/share: what nothing in a container reads is neither copied nor pushed."""
_PYTHON = re.compile(r"python(3\.\d+)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """An archive of a root file system."""

    name: str
    """Changes whenever the recipe does."""
    archive: Path
    python: str
    """The version of Python in it, e.g. 3.11."""


def obtain(console: Console, log: Path) -> Base:
    """Return the base from the cache, or assemble it."""
    suite = _suite()
    name = cache.key([suite, _PACKAGES, *_LEFT_OUT, platform.machine()])

    def assemble(directory: Path) -> None:
        system.require({"mmdebstrap": "mmdebstrap"})
        console.note(f"assembling a base image from packages of {suite} (about a minute, once)")
        archive = directory / "base.tar"
        excludes = [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in _LEFT_OUT]
        command = [
            "mmdebstrap",
            "--variant=minbase",
            f"--include={_PACKAGES}",
            *excludes,
            suite,
            str(archive),
        ]
        commands.run(command, console=console, doing="assembling the base image", log=log)
        (directory / "python").write_text(_python_version(archive))

    entry = cache.entry("base", name, assemble)
    return Base(name=name, archive=entry / "base.tar", python=(entry / "python").read_text())


def _suite() -> str:
    release = platform.freedesktop_os_release()
    if release["ID"] in {"debian", "ubuntu"} and "VERSION_CODENAME" in release:
        return release["VERSION_CODENAME"]
    return "bookworm"


def _python_version(archive: Path) -> str:
    with tarfile.open(archive) as content:
        target = content.getmember("./usr/bin/python3").linkname
    if not (match := _PYTHON.search(target)):
        raise DemoError(f"the base image's python3 is {target}, which names no version")
    return match[1]
