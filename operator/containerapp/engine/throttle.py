"""How often one object may be written to, and how many may be rendered by a new operator at a time.

Asked by the reconcile. Another writer that reverts each of our updates must not cause an endless fight, an object that
is edited continuously must not keep the cluster busy with Pods that live for a second, and an upgrade of the operator
must not restart all Pods at once. No clock but the one that is given.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from containerapp.core.model import Key

BURST = 4.0
"""Updates that an object which was quiet may have at once."""

INTERVAL = 20.0
"""Seconds until the next one, for an object that has used them up."""


@dataclass(slots=True, kw_only=True)
class TokenBucket:
    """The updates that are left at `since`, in seconds on a monotonic clock."""

    since: float
    left: float = BURST

    def take(self, now: float) -> float:
        """Take one update; return the seconds until there is one, 0 where there was."""
        self.left = min(BURST, self.left + (now - self.since) / INTERVAL)
        self.since = now
        if self.left < 1.0:
            return (1.0 - self.left) * INTERVAL
        self.left -= 1.0
        return 0.0


@dataclass(kw_only=True)
class RenderBudget:
    """The objects, `size` at most, that take what this version of the operator renders otherwise than an earlier one.

    One that does not become good keeps its place, so that a bad rendering stops.
    """

    size: int = 0
    _held: set[Key] = field(default_factory=set)

    def take(self, key: Key) -> bool:
        """Take a place; False where there is none left."""
        if key not in self._held and len(self._held) >= self.size:
            return False
        self._held.add(key)
        return True

    def holds(self, key: Key) -> bool:
        """Whether the object has a place."""
        return key in self._held

    def release(self, key: Key) -> None:
        """Give the place back."""
        self._held.discard(key)
