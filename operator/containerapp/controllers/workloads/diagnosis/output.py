"""The last words of a container that failed, without obvious secrets. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from containerapp.controllers.workloads.diagnosis.kinds import redacted
from containerapp.core.model import Manifest

_OUTPUT = 2048


def container_statuses(pod: Manifest) -> Iterator[Manifest]:
    """Yield how each container of the Pod stands, the init containers first."""
    status = pod.get("status", {})
    yield from status.get("initContainerStatuses", ())
    yield from status.get("containerStatuses", ())


def last_output(pods: Iterable[Manifest]) -> str:
    """Return the end of what a container wrote before it failed: Kubernetes keeps it in the termination message."""
    ended = [
        ending
        for pod in pods
        for status in container_statuses(pod)
        for ending in (
            status.get("state", {}).get("terminated"),
            status.get("lastState", {}).get("terminated"),
        )
        if ending and ending.get("exitCode") and ending.get("message")
    ]
    if not ended:
        return ""
    newest = max(ended, key=lambda ending: str(ending.get("finishedAt")))
    return redacted(str(newest["message"])[-_OUTPUT:]).strip()
