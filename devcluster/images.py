"""Container images without docker: a few files and a command become an image in a registry.

The node's pause image is made this way, and tests make theirs; docker is only needed where a Dockerfile is the point.
The result is deterministic: the same content has the same digest.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
import urllib.request
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urljoin

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
_SECONDS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """What is in an image, and what it runs."""

    files: Mapping[str, bytes]
    """Content by absolute path; all are readable and executable by everybody."""
    entrypoint: Sequence[str]
    user: str = "65532"
    environment: Mapping[str, str] = field(default_factory=dict)
    architecture: str = "amd64"


@dataclass(frozen=True, slots=True, kw_only=True)
class Assembled:
    """An image as registries keep it."""

    manifest: bytes
    blobs: tuple[bytes, ...]


def push(registry_url: str, repository: str, tag: str, image: Image) -> str:
    """Store the image under repository and tag, and return its digest."""
    assembled = assemble(image)
    for blob in assembled.blobs:
        _upload(registry_url, repository, blob)
    _request("PUT", f"{registry_url}/v2/{repository}/manifests/{tag}", assembled.manifest, MANIFEST)
    return digest_of(assembled.manifest)


def assemble(image: Image) -> Assembled:
    """Return the image's manifest and what it names."""
    archive = _archive(image.files)
    layer = gzip.compress(archive, mtime=0)
    config = json.dumps(
        {
            "architecture": image.architecture,
            "os": "linux",
            "config": {
                "Entrypoint": list(image.entrypoint),
                "User": image.user,
                "Env": [f"{name}={value}" for name, value in image.environment.items()],
            },
            "rootfs": {"type": "layers", "diff_ids": [digest_of(archive)]},
        }
    ).encode()
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": _descriptor(_CONFIG, config),
            "layers": [_descriptor(_LAYER, layer)],
        }
    ).encode()
    return Assembled(manifest=manifest, blobs=(config, layer))


def digest_of(content: bytes) -> str:
    """Return the digest by which registries know a content."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _descriptor(media_type: str, blob: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest_of(blob), "size": len(blob)}


def _archive(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        directories = {parent for name in files for parent in PurePosixPath(name.lstrip("/")).parents}
        for directory in sorted(directories - {PurePosixPath()}):
            entry = tarfile.TarInfo(str(directory))
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(entry)
        for name, content in sorted(files.items()):
            entry = tarfile.TarInfo(name.lstrip("/"))
            entry.size, entry.mode = len(content), 0o755
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def _upload(registry_url: str, repository: str, blob: bytes) -> None:
    location = _request(
        "POST", f"{registry_url}/v2/{repository}/blobs/uploads/", b"", "application/octet-stream"
    )
    target = urljoin(registry_url, location)
    separator = "&" if "?" in target else "?"
    target += separator + urlencode({"digest": digest_of(blob)})
    _request("PUT", target, blob, "application/octet-stream")


def _request(method: str, url: str, body: bytes, media_type: str) -> str:
    request = urllib.request.Request(url, data=body, method=method, headers={"Content-Type": media_type})  # noqa: S310
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=_SECONDS) as response:
        location: str = response.headers.get("Location", "")
        return location
