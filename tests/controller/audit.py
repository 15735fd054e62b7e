"""What the operator asked the API server, as the audit log tells it: the proof that nothing was asked for in vain.

Used by tests that count requests or look for refusals. Only requests of the operator's own user are ever seen.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

WRITES = {"create", "update", "patch", "delete", "deletecollection"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request that was answered (a watch: that began). Times are seconds since 1970, by the API server's clock."""

    user: str
    received: float
    answered: float
    verb: str
    resource: str
    namespace: str
    name: str
    code: int
    message: str
    dry_run: bool = False

    @property
    def is_write(self) -> bool:
        """Whether it could have changed something."""
        return self.verb in WRITES and not self.dry_run

    def __str__(self) -> str:
        return f"{self.verb} {self.resource} {self.namespace}/{self.name}: {self.code} {self.message}".strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """The audit log, seen through one user's requests."""

    log: Path
    user: str

    def position(self) -> int:
        """Return where the log ends now."""
        return self.log.stat().st_size

    def since(self, position: int, *, namespace: str | None = None) -> list[Request]:
        """Return the user's requests from `position` on, in one namespace or in all; the Lease's are left out."""
        return [
            request
            for request in self._read(position)
            if request.resource != "leases" and namespace in {None, request.namespace}
        ]

    def writes(self, position: int, *, namespace: str | None = None) -> Counter[str]:
        """Count the writes from `position` on by resource."""
        return Counter(r.resource for r in self.since(position, namespace=namespace) if r.is_write)

    def refusals(self, position: int = 0) -> list[Request]:
        """Return what RBAC forbade, the Lease included; admission (an ending namespace) says no in other words."""
        return [r for r in self._read(position) if r.code == 403 and " cannot " in r.message]

    def _read(self, position: int) -> Iterator[Request]:
        with self.log.open("rb") as lines:
            lines.seek(position)
            for line in lines:
                if not line.endswith(b"\n"):
                    return  # is being written
                event = json.loads(line)
                began = event["verb"] == "watch" and event["stage"] == "ResponseComplete"
                if event["user"].get("username") == self.user and not (began and _ended_well(event)):
                    yield _request(event)


def _ended_well(event: dict[str, dict[str, int]]) -> bool:
    """Whether it is a watch's end; its beginning was told before."""
    return event.get("responseStatus", {}).get("code") == 200


def _request(event: dict[str, Any]) -> Request:
    target = event.get("objectRef", {})
    status = event.get("responseStatus", {})
    return Request(
        user=str(event["user"]["username"]),
        received=datetime.fromisoformat(event["requestReceivedTimestamp"]).timestamp(),
        answered=datetime.fromisoformat(event["stageTimestamp"]).timestamp(),
        verb=str(event["verb"]),
        resource="/".join(filter(None, (target.get("resource"), target.get("subresource")))),
        namespace=target.get("namespace", ""),
        name=target.get("name", ""),
        code=int(status.get("code", 0)),
        message=status.get("message", ""),
        dry_run="dryRun=All" in event.get("requestURI", ""),
    )
