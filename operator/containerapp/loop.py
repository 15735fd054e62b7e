"""The event loop that the operator runs on: uvloop's, with one hole closed. A leaf, made by the command line."""

from __future__ import annotations

import logging
import socket
from typing import Any

import uvloop

_logger = logging.getLogger(__name__)


class EventLoop(uvloop.Loop):
    """uvloop 0.23 may close a connection that is not its own any more; libuv then aborts the process.

    Once `create_connection(sock=...)` has begun, the transport owns the file descriptor and closes it. Yet when the
    peer resets the connection just before TLS says hello (an API server that is being killed), the Python socket is not
    told, and closes the number once more when it is collected: by then it may be another connection's. Here the socket
    lets go whenever no connection comes of it, as asyncio's own loop does.
    https://github.com/MagicStack/uvloop/issues/738 tells of the same for cancelled connections, which 0.23 has mended.
    """

    async def create_connection(self, *args: Any, sock: socket.socket | None = None, **kwargs: Any) -> Any:
        """Do as uvloop does, and let go of `sock` when that fails."""
        try:
            return await super().create_connection(*args, sock=sock, **kwargs)
        except BaseException:
            if sock is not None:
                sock.detach()
            raise

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Do as uvloop does, but call no error what is only the end of a connection, or of the loop itself.

        TLS may want to answer on a connection that was closed a moment ago. uvloop logs the refusal as a fatal error;
        asyncio drops such bytes. Whoever waits for an answer learns of the end by other ways.

        A loop that ends closes all generators that nobody has closed, at once, so that one which holds another finds
        it closed, or being closed, and fails. kopf leaves its watch so when it is cancelled amid an event.
        """
        ended = str(context.get("exception")).endswith("the handler is closed") or "asyncgen" in context
        if ended:
            _logger.debug("%s: %s", context["message"], context["exception"])
        else:
            super().call_exception_handler(context)
