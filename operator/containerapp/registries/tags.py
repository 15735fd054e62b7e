"""What is known of a tag, and what each app that asks for it is answered.

Used by the digest resolver, and by the reconcile for the answers. Nothing here asks anybody.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from containerapp.core.model import Failed, Key, Lookup, Pending, Resolved
from containerapp.errors import ContainerAppError, Transient

NOT_THERE: Final = frozenset({"ImageNotFound", "RepositoryNotFound"})

# What an app has been answered: the digest, the failure's reason and message, whether the running digest is gone, and
# the architectures.
News: TypeAlias = tuple[str | None, tuple[str, str] | None, bool, frozenset[str] | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Durations, in seconds.

    `gather`: how long questions are collected before they are asked. `refresh`: how often known tags are
    asked for again. `fresh_for`: how old an answer may be that serves an app asking for the first time. Both
    backoffs are (first delay, longest delay); `Transient` failures are retried quickly, all others slowly.
    """

    gather: float = 0.02
    refresh: float = 300.0
    fresh_for: float = 10.0
    transient_backoff: tuple[float, float] = (2.0, 60.0)
    blocked_backoff: tuple[float, float] = (10.0, 300.0)

    def retry_delay(self, error: ContainerAppError, failures: int) -> float:
        """Exponential backoff; a registry that names its own delay is heeded, within reason."""
        transient = isinstance(error, Transient)
        first, longest = self.transient_backoff if transient else self.blocked_backoff
        delay = min(longest, first * 2.0 ** min(failures - 1, 30))
        if isinstance(error, Transient) and error.retry_after is not None:
            delay = max(delay, min(error.retry_after, self.blocked_backoff[1]))
        return delay


@dataclass(slots=True, kw_only=True)
class Ask:
    """One app's interest in a tag. Only answers to questions put at `since` or later will do for it.

    `known` is the digest that the app runs; `architectures` whether it wants to know what the image is built for.
    """

    since: float
    request: str | None
    known: str | None = None
    architectures: bool = False
    reported: News | None = None


@dataclass(slots=True, kw_only=True)
class Tag:
    """What is known of one tag. Times are those at which the question was put, not answered.

    `gone` are the digests that apps run and the registry no longer has; `built_for` is of `digest`, as in `Resolved`.
    """

    due: float = math.inf
    asks: dict[Key, Ask] = field(default_factory=dict)
    digest: str | None = None
    resolved_at: float = 0.0
    error: ContainerAppError | None = None
    failed_at: float = 0.0
    failures: int = 0
    gone: frozenset[str] = frozenset()
    built_for: frozenset[str] | None = None

    def answer(self, ask: Ask) -> Lookup:
        """Return what `ask` is answered."""
        if self.digest is not None and self.resolved_at >= ask.since:
            return self._resolved(self.digest, ask)
        if self.error is None or self.failed_at < ask.since:
            return Pending()
        if self.digest is not None and ask.request is None:
            return self._resolved(self.digest, ask)
        return Failed(error=self.error, running_gone=ask.known in self.gone)

    @property
    def is_answered(self) -> bool:
        """Whether the registry has said where the tag points now, or that it is not there."""
        return self.error is None or self.error.reason in NOT_THERE

    @property
    def lacks_architectures(self) -> bool:
        """Whether an app waits for them, and the registry can be asked."""
        wanted = any(ask.architectures for ask in self.asks.values())
        return wanted and self.built_for is None and self.digest is not None and self.error is None

    def doubtful(self) -> set[str]:
        """Return the digests that apps run, of which the last answer does not say whether they are there."""
        present = self.digest if self.error is None else None
        running = {ask.known for ask in self.asks.values() if ask.known is not None}
        return running - {present} if self.is_answered else set()

    def _resolved(self, digest: str, ask: Ask) -> Resolved:
        unknown = None if self.error is None else frozenset[str]()
        return Resolved(
            digest=digest,
            resolved_at=self.resolved_at,
            stale_error=self.error,
            running_gone=ask.known in self.gone,
            built_for=(unknown if self.built_for is None else self.built_for) if ask.architectures else None,
        )


def news(answer: Resolved | Failed) -> News:
    """Return what an answer says, to be compared with what was said before."""
    error = answer.error if isinstance(answer, Failed) else answer.stale_error
    digest, built_for = (answer.digest, answer.built_for) if isinstance(answer, Resolved) else (None, None)
    return digest, (error.reason, error.message) if error else None, answer.running_gone, built_for
