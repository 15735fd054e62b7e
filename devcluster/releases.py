"""Release binaries of the projects themselves, which spare a first run the build.

`binaries` asks here for programs that are nowhere yet. What a release is, and its checksum, stands in `releases.toml`.
A server that does not answer within seconds, or whose file is not what it must be, is passed over in one line: the
program is built then. Nothing is ever run that has not been compared with its checksum.
"""

from __future__ import annotations

import functools
import os
import platform
import shutil
import sys
import tarfile
import tempfile
import tomllib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from devcluster import download
from devcluster.locks import exclusive
from devcluster.options import DevclusterError
from devcluster.progress import Progress

CATALOGUE = Path(__file__).parent / "releases.toml"
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_NO_MIRROR = "none"
_MEGA = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """One file of one project, and the programs in it."""

    name: str
    url: str
    checksum: str
    members: dict[str, str]
    """The path of each program in the archive; of one that is the file itself, nothing."""

    def directory(self, cache: Path) -> Path:
        """Return where its programs are kept."""
        return cache / f"release-{self.name.replace(' ', '-')}-{self.checksum.partition(':')[2][:16]}"


def install(names: Iterable[str], cache: Path) -> None:
    """Install those of the programs that a release has; where one cannot be had, say so and leave it to the caller."""
    wanted = set(names)
    needed = [release for release in _catalogue() if wanted & set(release.members)]
    if not needed or os.environ.get("DEVCLUSTER_MIRROR") == _NO_MIRROR:
        return
    hosts = {_host(release): _source(release) for release in needed}
    with ThreadPoolExecutor(len(hosts)) as pool:
        problems = dict(zip(hosts, pool.map(download.unreachable, hosts.values()), strict=True))
    if silent := {host: problem for host, problem in problems.items() if problem}:
        reasons = ", ".join(dict.fromkeys(silent.values()))
        _say(f"no release binaries from {', '.join(silent)} ({reasons}): building from Go modules instead")
    for release in needed:
        if problems[_host(release)] is None:
            _install(release, cache)


def find(name: str, cache: Path) -> Path | None:
    """Return where a program of a release is installed, if it is."""
    return next((r.directory(cache) / "bin" / name for r in _catalogue() if name in r.members), None)


def directories(cache: Path) -> set[Path]:
    """Return the directories of the releases that are current."""
    return {release.directory(cache) for release in _catalogue()}


def _catalogue() -> list[Release]:
    architecture = _ARCHITECTURES.get(platform.machine())
    if architecture is None or sys.platform != "linux":
        return []
    return _read(CATALOGUE, architecture)


@functools.cache
def _read(catalogue: Path, architecture: str) -> list[Release]:
    releases = []
    for project, entry in tomllib.loads(catalogue.read_text()).items():
        facts = {"version": entry["version"], "arch": architecture}
        members = {name: entry.get("member", "").format(program=name, **facts) for name in entry["programs"]}
        releases.append(
            Release(
                name=f"{project} {entry['version']}",
                url=entry["url"].format(**facts),
                checksum=entry[architecture],
                members=members,
            )
        )
    return releases


def _source(release: Release) -> str:
    """Return where the file is fetched from: a mirror has the path of the project's own host."""
    mirror = os.environ.get("DEVCLUSTER_MIRROR", "").rstrip("/")
    return mirror + urlsplit(release.url).path if mirror else release.url


def _host(release: Release) -> str:
    return urlsplit(_source(release)).netloc


def _install(release: Release, cache: Path) -> None:
    directory = release.directory(cache)
    (directory / "bin").mkdir(parents=True, exist_ok=True)
    with exclusive(directory / "lock"):
        if all((directory / "bin" / name).exists() for name in release.members):
            return
        archive = directory / "archive"
        try:
            _download(release, archive)
            _unpack(release, archive, directory)
        except (DevclusterError, OSError, tarfile.TarError) as error:
            _say(f"{release.name}: {error}; building it from Go modules instead")
        finally:
            archive.unlink(missing_ok=True)


def _download(release: Release, archive: Path) -> None:
    progress = Progress(f"downloading {release.name}")

    def report(done: int, total: int | None) -> None:
        if total:
            progress.show(f"{done * 100 // total} % of {total / _MEGA:.0f} MB", done / total)
        else:
            progress.show(f"{done / _MEGA:.0f} MB")

    try:
        download.fetch(_source(release), archive, release.checksum, report)
    finally:
        progress.close()
    _say(f"{release.name} from {_host(release)}, its checksum is right ({progress.elapsed:.0f} s)")


def _unpack(release: Release, archive: Path, directory: Path) -> None:
    """Bring the programs under their names, each of them whole."""
    with tempfile.TemporaryDirectory(dir=directory) as scratch:
        for name, path in _extracted(release, archive, Path(scratch)).items():
            path.chmod(0o755)
            path.rename(directory / "bin" / name)


def _extracted(release: Release, archive: Path, scratch: Path) -> dict[str, Path]:
    wanted = {member: name for name, member in release.members.items() if member}
    if not wanted:
        return dict.fromkeys(release.members, archive)
    found = {}
    with tarfile.open(archive, "r|gz") as content:
        for entry in content:
            if (name := wanted.get(entry.name.removeprefix("./"))) and entry.isfile():
                source = content.extractfile(entry)
                assert source is not None  # noqa: S101 - it is a file
                found[name] = scratch / name
                with found[name].open("wb") as target:
                    shutil.copyfileobj(source, target)
            if len(found) == len(wanted):
                return found
    raise DevclusterError(f"the archive lacks {', '.join(sorted(set(wanted.values()) - set(found)))}")


def _say(text: str) -> None:
    print(f"devcluster: {text}", file=sys.stderr, flush=True)
