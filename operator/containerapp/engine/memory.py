"""What the engine remembers of one custom object: clocks and what was said last. Losing it changes nothing but timing.

One value for each uid, dropped when another object, or none, has the name. Used by the reconcile alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from containerapp.core.model import Event, Key, Manifest
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
    pods_asked_at: float = -math.inf
    pods_interval: float = 0.0
    pod_problem: str | None = None
    """What the Pods of a rollout said when they were asked last; asked again after the interval."""

    def forget_pods(self) -> None:
        """Drop what the Pods said: the rollout is over."""
        self.pods_asked_at, self.pods_interval, self.pod_problem = -math.inf, 0.0, None


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
