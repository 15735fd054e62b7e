"""Reading parts of manifests that users have written and the API server has not checked yet. Pure."""

from __future__ import annotations

from typing import Any

from containerapp.core.model import Manifest


def as_map(value: Any) -> Manifest:
    """Return `value`, or an empty map where it is none; the API server refuses it then."""
    return value if isinstance(value, dict) else {}


def as_maps(value: Any) -> list[Manifest]:
    """Return the maps among the items of `value`; the API server refuses the rest."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
