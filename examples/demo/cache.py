"""What the demo keeps between runs, in the user's cache directory: images, and how they get into a run's registry.

An entry is a directory named by the content it was made from, so a change of a source file makes a new one and nothing
is ever out of date. An entry appears whole or not at all, also when two demos run at a time.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urljoin

_KEEP = 3
_SECONDS = 300
_CHUNK = 1 << 20
_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def root() -> Path:
    """Return the directory that holds the entries."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "containerapp-demo"


def key(facts: Iterable[str], files: Iterable[Path] = ()) -> str:
    """Return the name of a content: of some facts, and of files by what is in them."""
    digest = hashlib.sha256("\0".join(facts).encode())
    for path in files:
        digest.update(f"\0{path.name}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def entry(kind: str, name: str, make: Callable[[Path], None]) -> Path:
    """Return the directory of an entry, made by `make` when it is not there; older ones of its kind go."""
    directory = root() / f"{kind}-{name}"
    if not directory.exists():
        root().mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=root(), prefix="making-") as scratch:
            made = Path(scratch) / "entry"
            made.mkdir()
            make(made)
            _publish(made, directory)
    directory.touch()
    _prune(kind)
    return directory


def save_image(registry_url: str, repository: str, tag: str, directory: Path) -> None:
    """Keep an image that is in the registry: its manifest as it is, and its blobs."""
    url = f"{registry_url}/v2/{repository}/manifests/{tag}"
    content = _read(urllib.request.Request(url, headers={"Accept": _MANIFEST}))  # noqa: S310 - the run's own registry
    (directory / "manifest.json").write_bytes(content)
    for digest in _blobs(content):
        with (
            _OPENER.open(f"{registry_url}/v2/{repository}/blobs/{digest}", timeout=_SECONDS) as source,
            (directory / digest).open("wb") as target,
        ):
            shutil.copyfileobj(source, target, _CHUNK)


def load_image(registry_url: str, repository: str, tag: str, directory: Path) -> None:
    """Put a kept image into the registry, byte for byte, so that its digest is what it was."""
    content = (directory / "manifest.json").read_bytes()
    for digest in _blobs(content):
        _upload(f"{registry_url}/v2/{repository}/blobs/uploads/", digest, directory / digest)
    _read(
        urllib.request.Request(  # noqa: S310 - likewise
            f"{registry_url}/v2/{repository}/manifests/{tag}",
            data=content,
            method="PUT",
            headers={"Content-Type": _MANIFEST},
        )
    )


def _blobs(manifest: bytes) -> list[str]:
    document: dict[str, Any] = json.loads(manifest)
    return [blob["digest"] for blob in (document["config"], *document["layers"])]


def _upload(url: str, digest: str, blob: Path) -> None:
    with _OPENER.open(urllib.request.Request(url, data=b"", method="POST"), timeout=_SECONDS) as response:  # noqa: S310
        target = urljoin(url, response.headers["Location"])
    target += ("&" if "?" in target else "?") + urlencode({"digest": digest})
    headers = {"Content-Type": "application/octet-stream", "Content-Length": str(blob.stat().st_size)}
    with blob.open("rb") as data:
        _read(urllib.request.Request(target, data=data, method="PUT", headers=headers))  # noqa: S310


def _read(request: urllib.request.Request) -> bytes:
    with _OPENER.open(request, timeout=_SECONDS) as response:
        content: bytes = response.read()
    return content


def _publish(made: Path, directory: Path) -> None:
    try:
        made.rename(directory)
    except OSError:
        if not directory.exists():  # else another demo was faster, with the same content
            raise


def _prune(kind: str) -> None:
    entries = sorted(root().glob(f"{kind}-*"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in entries[_KEEP:]:
        shutil.rmtree(path, ignore_errors=True)
