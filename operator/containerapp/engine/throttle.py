"""How often one object may be written to: a token bucket. Pure but for the clock that it is given.

Asked by the reconcile before each update. Another writer that reverts each of ours must not cause an endless fight,
and an object that is edited continuously must not keep the cluster busy with Pods that live for a second.
"""

from __future__ import annotations

from dataclasses import dataclass

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
