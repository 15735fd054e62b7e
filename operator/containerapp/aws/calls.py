"""Calls that the operator makes to a service of AWS, however many objects ask for them.

boto3 blocks, so they run in threads of their own, a bounded number at a time and at a bounded rate. The client is made
with the first call.
"""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final, TypeVar

from boto3.session import Session
from botocore.config import Config

if TYPE_CHECKING:
    from collections.abc import Callable

CALLS: Final = 4
"""Calls at a time."""

RATE: Final = 10.0
"""Calls a second."""

_Result = TypeVar("_Result")


class Calls:
    """The calls to one service; `connect` makes its client."""

    def __init__(self, service: str, connect: Callable[[], Any]) -> None:
        self._connect = connect
        self._client: Any = None
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(CALLS, thread_name_prefix=service)
        self._next = 0.0

    async def make(self, send: Callable[[Any], _Result]) -> _Result:
        """Return what `send` returns for the client, from a thread at the rate's next moment."""
        await self._pace()
        return await asyncio.get_running_loop().run_in_executor(
            self._threads, lambda: send(self._connected())
        )

    def _connected(self) -> Any:
        with self._lock:  # making a client is not thread-safe
            if self._client is None:
                self._client = self._connect()
            return self._client

    async def _pace(self) -> None:
        now = time.monotonic()
        self._next = max(self._next, now - 1.0) + 1.0 / RATE
        if (wait := self._next - now) > 0:
            await asyncio.sleep(wait)


def client(service: str, *, read_timeout: int, attempts: int) -> Any:
    """Return a client that gives up after so many attempts, and slows down by itself where it is throttled.

    `read_timeout` is in seconds. Its credentials are those that boto3 finds by itself.
    """
    config = Config(
        connect_timeout=3,
        read_timeout=read_timeout,
        retries={"mode": "adaptive", "total_max_attempts": attempts},
        max_pool_connections=CALLS,
        user_agent_extra="containerapp-operator",
    )
    return Session().client(service, config=config)  # type: ignore[call-overload]
