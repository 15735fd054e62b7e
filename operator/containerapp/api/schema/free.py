"""Objects of Kubernetes' own of which a model knows no fields: the API server checks them where they are written.

For what would make the definition much bigger (docs/decisions/0018-free-objects.md). No rule can look into them.
"""

from __future__ import annotations

import json
from typing import Annotated, Any

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

_MOST_LEVELS = 32
_MOST_BYTES = 65536


def _bounded(value: dict[str, Any]) -> dict[str, Any]:
    """The object itself, unless reading it would cost more than any real one does."""
    level: list[Any] = [value]
    for _ in range(_MOST_LEVELS):
        level = [
            inner
            for item in level
            for inner in (item.values() if isinstance(item, dict) else item)
            if isinstance(inner, dict | list)
        ]
    if level:
        raise PydanticCustomError("rule", f"nested too deeply: at most {_MOST_LEVELS} levels", {"path": ""})
    if len(json.dumps(value)) > _MOST_BYTES:
        raise PydanticCustomError("rule", f"too big: at most {_MOST_BYTES // 1024} KiB of JSON", {"path": ""})
    return value


FreeObject = Annotated[
    dict[str, Any],
    Field(max_length=64, json_schema_extra={"x-kubernetes-preserve-unknown-fields": True}),
    AfterValidator(_bounded),
]
