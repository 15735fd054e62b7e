"""What the AWS account has: asked in the background, while an app waits to know it.

The reconcile calls `lookup`, which answers at once from what is known; `run` asks, and calls `on_change` for the custom
objects that wait. Without one that waits nothing is asked. Losing what it remembers costs one round.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from containerapp.core.account import Account
from containerapp.core.model import Key
from containerapp.errors import Transient

_logger = logging.getLogger(__name__)

INTERVAL = 60.0
"""Seconds between two rounds: a certificate that was requested is there some minutes later."""

_FRESH = 300.0
"""Age in seconds up to which an answer serves an app that asks for the first time."""

Ask: TypeAlias = Callable[[frozenset[str]], Awaitable[Account]]
"""Asks for what is wanted; see `containerapp.core.account`."""


class AccountLookup(Protocol):
    """Answers at once what the account has; None where nobody asks it."""

    def __call__(self, key: Key, wanted: frozenset[str]) -> Account | None:
        """Return what is known, where anything is wanted."""


def nobody_asks(key: Key, wanted: frozenset[str]) -> Account | None:  # noqa: ARG001 - the lookup's signature
    """Return that no account is asked."""
    return None


@dataclass(kw_only=True)
class AccountWatch:
    """Asks by `ask`. `clock` is monotonic."""

    ask: Ask
    on_change: Callable[[Key], None]
    clock: Callable[[], float]
    _waiting: dict[Key, frozenset[str]] = field(default_factory=dict)
    _known: Account | None = None
    _answered: frozenset[str] = frozenset()
    _asked_at: float = 0.0
    _wanted: asyncio.Event = field(default_factory=asyncio.Event)

    def lookup(self, key: Key, wanted: frozenset[str]) -> Account | None:
        """Return what is known, where anything is wanted, and let the object know of every change."""
        if not wanted:
            self._waiting.pop(key, None)
            return None
        self._waiting[key] = wanted
        self._wanted.set()
        if self._known is None or not wanted <= self._answered or self.clock() - self._asked_at > _FRESH:
            return Account(pending=True)
        return self._known

    async def run(self) -> None:
        """Ask until cancelled."""
        while True:
            await self._wanted.wait()
            if self._waiting:
                await self._round()
                await asyncio.sleep(INTERVAL)
            else:
                self._wanted.clear()

    async def _round(self) -> None:
        wanted = frozenset[str]().union(*self._waiting.values())
        try:
            found = await self.ask(wanted)
        except Exception:
            _logger.exception("Asking what the AWS account has failed by a bug in the operator")
            bug = Transient("Bug", "The operator has a bug; its log has more.")
            found = Account(errors=(bug,), profiles_error=bug)
        is_old = self._answered != wanted or self.clock() - self._asked_at > _FRESH
        changed = is_old or found != self._known
        self._known, self._answered, self._asked_at = found, wanted, self.clock()
        for key in list(self._waiting) if changed else ():
            self.on_change(key)
