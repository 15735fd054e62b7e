"""Kubeconfig files: how a user reaches a cluster.

Each file is self-contained (certificates inline, one context), so it can be handed to any client and outlives nothing.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from pathlib import Path

    from devcluster.pki import Pair


def certificate_user(pair: Pair) -> dict[str, Any]:
    """Return the kubeconfig user that presents a client certificate."""
    return {"client-certificate-data": _encoded(pair.certificate), "client-key-data": _encoded(pair.key)}


def write(path: Path, *, server: str, ca: bytes, user: dict[str, Any]) -> Path:
    """Write a kubeconfig that only its owner can read."""
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {"name": "devcluster", "cluster": {"server": server, "certificate-authority-data": _encoded(ca)}}
        ],
        "users": [{"name": "devcluster", "user": user}],
        "contexts": [{"name": "devcluster", "context": {"cluster": "devcluster", "user": "devcluster"}}],
        "current-context": "devcluster",
    }
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump(document, sort_keys=False))
    return path


def _encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()
