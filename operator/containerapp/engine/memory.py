"""What the engine remembers of one custom object: clocks and what was said last. Losing it changes nothing but timing.

One value for each uid, dropped when another object, or none, has the name. Used by the reconcile alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from containerapp.core.model import Event, Key, Manifest, ObjectRef
from containerapp.engine.throttle import TokenBucket


@dataclass(slots=True, kw_only=True)
class Memory:
    """Times are in seconds on a monotonic clock."""

    uid: str | None
    since: float
    """When the reconcile first met the object, or first found that it is gone."""
    bucket: TokenBucket
    limited: Event | None = None
    """The event that the bucket is empty, while it is."""
    waits_since: float | None = None
    """Since when an answer is waited for that rendering needs."""
    status_at: float = -math.inf
    """When the status was written last."""
    event: tuple[Event, int] | None = None
    """The last event, and the generation that it was about."""
    pods_selector: str | None = None
    pods_asked_at: float = -math.inf
    pods_interval: float = 0.0
    finding: Any = None
    """What the Pods of a rollout showed when they were asked last; asked again after the interval."""
    loaded: dict[ObjectRef, bytes] = field(default_factory=dict)
    """Whole manifests, as JSON text, of children of which the stores have the metadata alone."""
    refused: str = ""
    """What the API server said to the last patch of an object that is no child, empty where it took it."""
    outdated: bool = False
    """Whether an earlier version of the operator has rendered the Pods, and this one would do it otherwise."""

    warnings: Mapping[ObjectRef, str] = field(default_factory=dict)
    warnings_asked_at: float = -math.inf
    warnings_interval: float = 0.0
    """What Events said of children when they were asked last; asked again after the interval."""

    def forget_warnings(self) -> None:
        """Let the next question be asked at once."""
        self.warnings_asked_at, self.warnings_interval = -math.inf, 0.0

    def forget_pods(self, selector: str | None) -> None:
        """Drop what the Pods showed: the rollout is over, or is another one, of the Pods of `selector`."""
        self.pods_selector, self.pods_asked_at = selector, -math.inf
        self.pods_interval, self.finding = 0.0, None


@dataclass(kw_only=True)
class Memories:
    """All of them, by key."""

    _known: dict[Key, Memory] = field(default_factory=dict)

    def of(self, key: Key, manifest: Manifest | None, now: float) -> tuple[Memory, bool]:
        """Return the memory of the object that has the name now, and whether it begins with this call."""
        uid = manifest["metadata"]["uid"] if manifest else None
        known = self._known.get(key)
        if known is not None and known.uid == uid:
            return known, False
        memory = self._known[key] = Memory(uid=uid, since=now, bucket=TokenBucket(since=now))
        return memory, True

    def drop(self, key: Key) -> None:
        """Forget the key."""
        self._known.pop(key, None)

    def outdated(self) -> Iterator[Key]:
        """Yield the objects whose Pods an earlier version of the operator has rendered otherwise."""
        return (key for key, memory in self._known.items() if memory.outdated)
