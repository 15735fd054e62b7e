"""What a manifest of a registry describes: a container image, or something else that registries keep, too. Pure.

Called by the registry clients for manifests that a registry has returned, and for any other text of a registry that a
user reads. It must cost no more than the text's length, whatever the text is.
"""

from __future__ import annotations

from typing import Final

import orjson

OCI_INDEX: Final = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
DOCKER_LIST: Final = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST: Final = "application/vnd.docker.distribution.manifest.v2+json"
MANIFEST_TYPES: Final = (OCI_INDEX, OCI_MANIFEST, DOCKER_LIST, DOCKER_MANIFEST)

# The types of configuration that container runtimes unpack, and what very old versions of Docker wrote for theirs.
_IMAGE_CONFIGS: Final = frozenset(
    {
        "application/vnd.oci.image.config.v1+json",
        "application/vnd.docker.container.image.v1+json",
        "application/vnd.wasm.config.v0+json",
        "application/octet-stream",
    }
)
_NAMES: Final = {
    "application/vnd.cncf.helm.config.v1+json": "a Helm chart",
    "application/vnd.docker.plugin.v1+json": "a Docker plugin",
}
_EMPTY: Final = "application/vnd.oci.empty.v1+json"


def other_than_image(manifest: bytes | str) -> str | None:
    """Return what `manifest` describes where it is no container image, as in "a Helm chart"; None for an image.

    A manifest that does not say what it describes is taken for an image's.
    """
    try:
        parsed = orjson.loads(manifest)
    except ValueError:
        return "no JSON"
    if not isinstance(parsed, dict):
        return "no manifest"
    config = parsed.get("config")
    kind = config.get("mediaType") if isinstance(config, dict) else None
    if not isinstance(kind, str) or not kind or kind in _IMAGE_CONFIGS:
        return None
    artifact = parsed.get("artifactType")
    named = artifact if kind == _EMPTY and isinstance(artifact, str) else kind
    return _NAMES.get(kind, f"an artifact of type {printable(named)}")


def printable(text: str, limit: int = 80) -> str:
    """Return `text` for people's eyes: printable ASCII characters alone, and no more than `limit` of them."""
    shown = "".join(character if " " <= character <= "~" else "?" for character in text[:limit])
    return shown if len(text) <= limit else f"{shown[:-3]}..."
