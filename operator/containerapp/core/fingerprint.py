"""Short hashes of values, by which a change is seen. Pure."""

from __future__ import annotations

import hashlib
from typing import Any

import orjson


def digest_of(value: Any) -> str:
    """Return a short hash of JSON: 12 hexadecimal digits, whatever the order of keys."""
    return hashlib.sha256(orjson.dumps(value, option=orjson.OPT_SORT_KEYS)).hexdigest()[:12]
