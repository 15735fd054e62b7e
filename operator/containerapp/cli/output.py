"""Objects as YAML, JSON or names, as kubectl prints them."""

from __future__ import annotations

import json
from collections.abc import Sequence

from containerapp.api.crd import to_yaml
from containerapp.core.model import Manifest


def show(manifests: Sequence[Manifest], output: str) -> str:
    """Return the objects in one of the formats `yaml`, `json` and `name`."""
    match output:
        case "json":
            listed = {"apiVersion": "v1", "kind": "List", "items": list(manifests)}
            return json.dumps(manifests[0] if len(manifests) == 1 else listed, indent=2) + "\n"
        case "name":
            return "".join(f"{name(manifest)}\n" for manifest in manifests)
        case _:
            return "---\n".join(to_yaml(manifest) for manifest in manifests)


def name(manifest: Manifest) -> str:
    """Return kind, group and name as `kubectl -o name` writes them."""
    group, _, _ = str(manifest["apiVersion"]).rpartition("/")
    kind = str(manifest["kind"]).lower() + (f".{group}" if group else "")
    return f"{kind}/{manifest['metadata']['name']}"
