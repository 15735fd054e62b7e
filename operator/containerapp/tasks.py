"""Two things that every long-running part needs to do with its tasks. A leaf."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any


async def end(tasks: Sequence[asyncio.Task[Any]]) -> None:
    """Cancel the tasks and wait until they have ended; their errors are their owner's affair."""
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)


def cancelled() -> bool:
    """Whether the current task itself was cancelled, not something that it waits for.

    kopf, when it ends, cancels every task that began after it: reconciles and requests too.
    """
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
