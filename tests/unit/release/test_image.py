"""Two builds of the same content become the same image: `release.image`."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

from release import image

_EPOCH = 1_700_000_000


def _layer(files: dict[str, str], *, at: int, reverse: bool = False) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, text in sorted(files.items(), reverse=reverse):
            member = tarfile.TarInfo(name)
            member.size, member.mtime, member.mode = len(text), at, 0o644
            archive.addfile(member, io.BytesIO(text.encode()))
    return buffer.getvalue()


def _diff_id(layer: bytes) -> str:
    return f"sha256:{hashlib.sha256(layer).hexdigest()}"


_BASE = _layer({"bin/python3": "python"}, at=1)


def _save(path: Path, layer: bytes, *, time: str, compress: bool = False) -> Path:
    """Write what docker saves: the base's layer, one of the build, and a configuration with the builder's notes."""
    configuration = {
        "created": time,
        "container": f"container of {time}",
        "container_config": {"Hostname": time},
        "config": {"User": "65532:65532", "Entrypoint": ["containerapp"], "Image": f"step of {time}"},
        "history": [{"created": "2026-01-01T00:00:00Z", "created_by": "base"}, {"created": time}],
        "rootfs": {"type": "layers", "diff_ids": [_diff_id(_BASE), _diff_id(layer)]},
    }
    parts = {
        "c.json": json.dumps(configuration).encode(),
        "b/layer.tar": _BASE,
        "l/layer.tar": gzip.compress(layer) if compress else layer,
        "manifest.json": json.dumps(
            [{"Config": "c.json", "RepoTags": ["op:1"], "Layers": ["b/layer.tar", "l/layer.tar"]}]
        ).encode(),
    }
    with tarfile.open(path, "w") as archive:
        for name, content in parts.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def _normalised(saved: Path) -> tuple[str, dict[str, Any], dict[str, bytes]]:
    """Return the ID, the configuration and the layers of the normalised image."""
    target = saved.with_suffix(".out")
    identity = image.normalise(saved, target, keep={_diff_id(_BASE)}, epoch=_EPOCH)
    with tarfile.open(target) as archive:
        parts = {name: image._content(archive, name) for name in archive.getnames()}
    (entry,) = json.loads(parts["manifest.json"])
    assert entry["RepoTags"] == ["op:1"]
    assert _diff_id(parts[entry["Config"]]) == identity
    return identity, json.loads(parts[entry["Config"]]), {name: parts[name] for name in entry["Layers"]}


def test_two_builds_of_the_same_content_have_the_same_id(tmp_path: Path) -> None:
    """Other times, another order, another container, other compression."""
    files = {"opt/a.py": "a", "opt/b.py": "b"}
    first = _save(tmp_path / "1.tar", _layer(files, at=100), time="2026-05-05T05:05:05.123Z")
    again = _layer(files, at=200, reverse=True)
    second = _save(tmp_path / "2.tar", again, time="2026-06-06T06:06:06.456Z", compress=True)

    assert _normalised(first) == _normalised(second)


def test_other_content_has_another_id(tmp_path: Path) -> None:
    """The digest still stands for what is in the image."""
    first = _save(tmp_path / "1.tar", _layer({"opt/a.py": "a"}, at=100), time="x")
    second = _save(tmp_path / "2.tar", _layer({"opt/a.py": "b"}, at=100), time="x")

    assert _normalised(first)[0] != _normalised(second)[0]


def test_the_base_s_layers_stay_and_ours_have_one_time(tmp_path: Path) -> None:
    """Nodes that have the base need not pull it again; what the image runs stays as it was."""
    saved = _save(tmp_path / "1.tar", _layer({"opt/a.py": "a"}, at=100), time="2026-05-05T05:05:05Z")
    _, configuration, layers = _normalised(saved)
    base, ours = layers.values()
    with tarfile.open(fileobj=io.BytesIO(ours)) as archive:
        times = {member.mtime for member in archive.getmembers()}

    assert base == _BASE
    assert times == {_EPOCH}
    assert configuration["created"] == "2023-11-14T22:13:20Z"
    assert configuration["config"] == {"User": "65532:65532", "Entrypoint": ["containerapp"]}
    assert configuration["rootfs"]["diff_ids"] == [_diff_id(_BASE), _diff_id(ours)]
    assert "container" not in configuration
