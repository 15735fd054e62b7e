"""The version of Kubernetes, where what is done depends on it: what to ask, and whether it is new enough. Pure."""

from __future__ import annotations

import re

from containerapp.core.model import Manifest, Query

VERSION = Query(path="/version")


def is_at_least(version: Manifest, major: int, minor: int) -> bool:
    """Whether the answer to VERSION names this version of Kubernetes or a newer one; EKS writes `35+`."""
    numbers = [re.sub(r"\D", "", str(version.get(part, ""))) for part in ("major", "minor")]
    return [int(number or 0) for number in numbers] >= [major, minor]
