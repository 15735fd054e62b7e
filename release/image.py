"""A built image without what differs from build to build: times, names of build containers, the order of nothing else.

Docker writes the time of the build into the configuration and into each file that it copies. `normalised` rewrites the
layers that the build has added, and the configuration; the base's layers stay as they are, for nodes that have them.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import subprocess
import tarfile
import tempfile
from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

_SECONDS = 600
_BUILD_ONLY = ("container", "container_config", "docker_version", "parent", "id")


def replace(name: str, *, base: str, epoch: int) -> str:
    """Replace the image in docker by its normalised form; return its ID, which is the digest of its configuration."""
    with tempfile.TemporaryDirectory() as folder:
        saved, loaded = Path(folder, "saved.tar"), Path(folder, "loaded.tar")
        _docker("save", "--output", str(saved), name)
        identity = normalise(saved, loaded, keep=_layers(base), epoch=epoch)
        _docker("load", "--quiet", "--input", str(loaded))
    return identity


def normalise(saved: Path, target: Path, *, keep: Collection[str], epoch: int) -> str:
    """Write the one image of `saved` (docker save) to `target` (docker load); return its ID.

    Layers whose diff ID is in `keep` are copied.
    """
    with tarfile.open(saved) as archive, tarfile.open(target, "w") as out:
        (entry,) = json.loads(_content(archive, "manifest.json"))
        configuration = json.loads(_content(archive, entry["Config"]))
        paths, diff_ids = [], []
        for path, known in zip(entry["Layers"], configuration["rootfs"]["diff_ids"], strict=True):
            layer = _uncompressed(_content(archive, path))
            layer = layer if known in keep else _rewritten(layer, epoch)
            diff_ids.append(_digest(layer))
            paths.append(f"{diff_ids[-1].removeprefix('sha256:')}.tar")
            if paths.count(paths[-1]) == 1:
                _add(out, paths[-1], layer)
        text = json.dumps(_timeless(configuration, diff_ids, epoch), sort_keys=True).encode()
        name = f"{_digest(text).removeprefix('sha256:')}.json"
        _add(out, name, text)
        manifest = [{"Config": name, "RepoTags": entry["RepoTags"], "Layers": paths}]
        _add(out, "manifest.json", json.dumps(manifest).encode())
    return _digest(text)


def _rewritten(layer: bytes, epoch: int) -> bytes:
    """Return the layer with every file of the same time, and none of the builder's own notes."""
    buffer = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(layer)) as source,
        tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as target,
    ):
        for member in sorted(source.getmembers(), key=_order):
            member.mtime = epoch
            member.pax_headers = {
                name: value for name, value in member.pax_headers.items() if name.startswith("SCHILY.xattr.")
            }
            target.addfile(member, source.extractfile(member) if member.isreg() else None)
    return buffer.getvalue()


def _order(member: tarfile.TarInfo) -> tuple[bool, str]:
    """Hard links come last: what they link to must be there."""
    return member.islnk(), member.name


def _timeless(configuration: dict[str, Any], diff_ids: list[str], epoch: int) -> dict[str, Any]:
    created = datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    kept = {name: value for name, value in configuration.items() if name not in _BUILD_ONLY}
    settings = {name: value for name, value in kept["config"].items() if name not in {"Image", "Hostname"}}
    return kept | {
        "created": created,
        "config": settings,
        "history": [step | {"created": created} for step in kept.get("history", [])],
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
    }


def _layers(image: str) -> set[str]:
    return set(json.loads(_docker("image", "inspect", "--format", "{{json .RootFS.Layers}}", image)))


def _docker(*arguments: str) -> str:
    done = subprocess.run(["docker", *arguments], stdout=subprocess.PIPE, check=True, timeout=_SECONDS)
    return done.stdout.decode()


def _content(archive: tarfile.TarFile, name: str) -> bytes:
    """Return a file of the archive; docker links layers that are there twice."""
    file = archive.extractfile(name)
    if file is None:
        raise ValueError(f"{name} is no file of the image")
    return file.read()


def _uncompressed(layer: bytes) -> bytes:
    return gzip.decompress(layer) if layer[:2] == b"\x1f\x8b" else layer


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
