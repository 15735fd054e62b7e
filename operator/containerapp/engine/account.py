"""What the AWS account has for load balancers: asked in the background, while an app waits to join one.

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

Ask: TypeAlias = Callable[[], Awaitable[Account]]


class AccountLookup(Protocol):
    """Answers at once what the account has; None where nobody asks it."""

    def __call__(self, key: Key, *, wanted: bool) -> Account | None:
        """Return what is known, where it is wanted."""


def nobody_asks(key: Key, *, wanted: bool) -> Account | None:  # noqa: ARG001 - the lookup's signature
    """Return that no account is asked."""
    return None


@dataclass(kw_only=True)
class AccountWatch:
    """Asks by `ask`. `clock` is monotonic."""

    ask: Ask
    on_change: Callable[[Key], None]
    clock: Callable[[], float]
    _waiting: set[Key] = field(default_factory=set)
    _known: Account | None = None
    _asked_at: float = 0.0
    _wanted: asyncio.Event = field(default_factory=asyncio.Event)

    def lookup(self, key: Key, *, wanted: bool) -> Account | None:
        """Return what is known, where it is wanted, and let the object know of every change."""
        if not wanted:
            self._waiting.discard(key)
            return None
        self._waiting.add(key)
        self._wanted.set()
        if self._known is None or self.clock() - self._asked_at > _FRESH:
            return Account(pending=True)
        return self._known

    async def run(self) -> None:
        """Ask until cancelled."""
        while True:
            await self._wanted.wait()
            await self._round()
            if not self._waiting:
                self._wanted.clear()
            await asyncio.sleep(INTERVAL)

    async def _round(self) -> None:
        try:
            found = await self.ask()
        except Exception:
            _logger.exception("Asking for certificates and quotas failed by a bug in the operator")
            found = Account(errors=(Transient("Bug", "The operator has a bug; its log has more."),))
        changed = found != self._known or self.clock() - self._asked_at > _FRESH
        self._known, self._asked_at = found, self.clock()
        for key in list(self._waiting) if changed else ():
            self.on_change(key)
