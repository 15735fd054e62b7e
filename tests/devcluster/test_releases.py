"""Release binaries, from mirrors on loopback that are good, bad and slow: nothing that fails its checksum is kept."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import platform
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from devcluster import DevclusterError, binaries, download, releases

_SCRIPT = b"#!/bin/sh\necho released\n" + b"# padding\n" * 100_000
_ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]


@dataclass(kw_only=True)
class Mirror:
    """What a mirror holds and how it behaves; every request is recorded."""

    files: dict[str, bytes] = field(default_factory=dict)
    cut_after: list[int] = field(default_factory=list)
    """After how many bytes the next answers break off."""
    hangs: threading.Event | None = None
    """Answers come when this is set."""
    ranges: list[str] = field(default_factory=list)
    """The Range header of each GET."""
    url: str = ""


class _Handler(BaseHTTPRequestHandler):
    def __init__(self, mirror: Mirror, *arguments: object) -> None:
        self._mirror = mirror
        super().__init__(*arguments)  # type: ignore[arg-type]

    def do_HEAD(self) -> None:
        self._begin()

    def do_GET(self) -> None:
        self._mirror.ranges.append(self.headers.get("Range", ""))
        content = self._begin()
        if self._mirror.cut_after and content:
            content = content[: self._mirror.cut_after.pop(0)]
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Keep the tests' output clean."""

    def _begin(self) -> bytes:
        if self._mirror.hangs:
            self._mirror.hangs.wait(30)
        content = self._mirror.files.get(self.path)
        if content is None:
            self.send_error(404)
            return b""
        start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").rstrip("-"))
        if start and start >= len(content):
            self.send_error(416)
            return b""
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        return content[start:]


@pytest.fixture
def mirror(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Mirror]:
    """A mirror on loopback, and an empty cache; without a release, a stand-in for go builds what prints `built`."""
    served = Mirror()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, served)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        served.url = f"http://127.0.0.1:{server.server_address[1]}"
        monkeypatch.setenv("DEVCLUSTER_MIRROR", served.url)
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
        monkeypatch.setenv("PATH", f"{_go(tmp_path / 'bin')}:{os.environ['PATH']}")
        monkeypatch.setattr(download, "PROBE_SECONDS", 0.5)
        monkeypatch.setattr(download, "STALL_SECONDS", 0.5)
        yield served
        if served.hangs:
            served.hangs.set()
        server.shutdown()
        thread.join()


def _go(directory: Path) -> Path:
    """Make a stand-in for go that "builds" helm and kwok."""
    directory.mkdir()
    go = directory / "go"
    go.write_text(
        "#!/bin/sh\n"
        'case "$1" in env) echo go1.26.0; exit;; list) exit;; esac\n'
        'while [ "$1" != -o ]; do shift; done\n'
        'for name in helm kwok; do printf "#!/bin/sh\\necho built\\n" > "$2/$name"; chmod +x "$2/$name"; done\n'
    )
    go.chmod(0o755)
    return directory


def _publish(
    mirror: Mirror, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, sum_of: bytes | None = None
) -> None:
    """Put helm (in an archive) and kwok (as it is) on the mirror, and their checksums in the catalogue."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in {"helm/README": b"no program", "helm/helm": _SCRIPT}.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    files = {"/helm.tgz": gzip.compress(buffer.getvalue(), 0), "/kwok": _SCRIPT}
    mirror.files.update(files)
    lines = []
    for name, path, member in (("helm", "/helm.tgz", 'member = "helm/{program}"'), ("kwok", "/kwok", "")):
        checksum = hashlib.sha512(sum_of or files[path]).hexdigest()
        lines += [f"[{name}]", 'version = "1"', f'url = "https://releases.invalid{path}"', member]
        lines += [f'programs = ["{name}"]', f'{_ARCHITECTURE} = "sha512:{checksum}"']
    catalogue = tmp_path / "releases.toml"
    catalogue.write_text("\n".join(lines))
    monkeypatch.setattr(releases, "CATALOGUE", catalogue)


def _run(name: str) -> str:
    program = binaries.obtain([name])[name]
    return subprocess.run([program], capture_output=True, text=True, check=True).stdout.strip()


def _downloads(tmp_path: Path) -> list[Path]:
    return [path for path in (tmp_path / "cache").rglob("archive*") if path.is_file()]


@pytest.mark.parametrize("name", ["helm", "kwok"])
def test_a_good_mirror_spares_the_build(
    mirror: Mirror,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    name: str,
) -> None:
    """The program is the released one, fetched once; its archive does not stay."""
    _publish(mirror, monkeypatch, tmp_path)
    assert _run(name) == "released"
    assert f"{name} 1 from 127.0.0.1" in capsys.readouterr().err
    assert _run(name) == "released"
    assert mirror.ranges == [""]
    assert not _downloads(tmp_path)


def test_a_broken_transfer_is_resumed(
    mirror: Mirror, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What is there already is not asked for again."""
    _publish(mirror, monkeypatch, tmp_path)
    mirror.cut_after = [300_000, 200_000]
    assert _run("helm") == "released"
    assert mirror.ranges == ["", "bytes=300000-", "bytes=500000-"]


def test_a_download_that_was_given_up_is_resumed_by_the_next_run(
    mirror: Mirror, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A truncated file is never used; the program is built, and what came is kept for another try."""
    _publish(mirror, monkeypatch, tmp_path)
    mirror.cut_after = [1000] * 4
    assert _run("kwok") == "built"
    assert (
        "the connection ended after 4,000 of 1,000,024 bytes; building it from Go modules"
        in capsys.readouterr().err
    )
    (tmp_path / "cache" / "containerapp-devcluster").joinpath(*_built(tmp_path)).unlink()
    assert _run("kwok") == "released"
    assert mirror.ranges[-1] == "bytes=4000-"


def test_a_wrong_checksum_is_neither_run_nor_kept(
    mirror: Mirror, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever a mirror serves, only what the project has published runs."""
    _publish(mirror, monkeypatch, tmp_path, sum_of=b"something else")
    assert _run("kwok") == "built"
    assert "and was deleted; building it from Go modules" in capsys.readouterr().err
    assert not _downloads(tmp_path)
    assert not list((tmp_path / "cache").rglob("release-*/bin/*"))


def test_a_part_of_another_file_does_not_spoil_the_download(
    mirror: Mirror, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The checksum finds it, and the whole is fetched."""
    _publish(mirror, monkeypatch, tmp_path)
    part = next(iter(releases.directories(binaries.cache_root()) - {Path()})).parent
    for directory in releases.directories(part):
        directory.mkdir(parents=True)
        (directory / "archive.part").write_bytes(b"another file's beginning")
    assert _run("kwok") == "released"
    assert mirror.ranges == ["bytes=24-", ""]


def test_a_file_that_is_not_there_is_built(
    mirror: Mirror, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A mirror may lag behind the projects; it is asked once."""
    _publish(mirror, monkeypatch, tmp_path)
    del mirror.files["/kwok"]
    assert _run("kwok") == "built"
    assert "/kwok answered 404 Not Found; building it from Go modules" in capsys.readouterr().err
    assert mirror.ranges == [""]


def test_a_hanging_mirror_holds_nobody_up(
    mirror: Mirror, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line says why, after the bound; no download is tried."""
    _publish(mirror, monkeypatch, tmp_path)
    mirror.hangs = threading.Event()
    assert _run("kwok") == "built"
    told = capsys.readouterr().err
    assert "no release binaries from 127.0.0.1" in told
    assert "building from Go modules instead" in told
    assert mirror.ranges == []


def test_no_mirror_asks_nobody(mirror: Mirror, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`none` builds everything from Go modules, on purpose and without a word."""
    _publish(mirror, monkeypatch, tmp_path)
    monkeypatch.setenv("DEVCLUSTER_MIRROR", "none")
    assert _run("kwok") == "built"
    assert mirror.ranges == []


def test_an_archive_without_the_program_is_told(
    mirror: Mirror, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A layout that has changed is a reason to build, not to fail."""
    _publish(mirror, monkeypatch, tmp_path)
    catalogue = tmp_path / "moved.toml"
    catalogue.write_text((tmp_path / "releases.toml").read_text().replace("helm/{program}", "bin/{program}"))
    monkeypatch.setattr(releases, "CATALOGUE", catalogue)
    assert _run("helm") == "built"
    assert "the archive lacks helm" in capsys.readouterr().err


def test_the_catalogue_names_a_checksum_for_every_file() -> None:
    """Nothing in it can be downloaded without being checked, on either architecture."""
    for architecture in ("amd64", "arm64"):
        for release in releases._read(Path(releases.__file__).with_name("releases.toml"), architecture):
            algorithm, _, digest = release.checksum.partition(":")
            assert len(digest) == 2 * hashlib.new(algorithm).digest_size
            assert release.url.startswith("https://")
            assert set(release.members) <= set(binaries.PROGRAMS)


def test_a_name_that_cannot_be_resolved_is_a_reason() -> None:
    """The message is the resolver's own."""
    assert "not known" in (download.unreachable("http://releases.invalid/file") or "").lower()


def _built(tmp_path: Path) -> tuple[str, ...]:
    path = next((tmp_path / "cache").rglob("tools-*/bin/kwok"))
    return path.relative_to(tmp_path / "cache" / "containerapp-devcluster").parts


def test_a_whole_part_without_a_checksum_to_match_is_an_error(mirror: Mirror, tmp_path: Path) -> None:
    """Resuming beyond the end of a file ends in an error, not in a loop."""
    mirror.files["/file"] = b"content"
    (tmp_path / "file.part").write_bytes(b"content!")
    with pytest.raises(DevclusterError, match="and was deleted"):
        download.fetch(f"{mirror.url}/file", tmp_path / "file", "sha256:00", lambda *_: None)
    assert not list(tmp_path.glob("file*"))
