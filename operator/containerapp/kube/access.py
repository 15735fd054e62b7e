"""Whether a replica can read and write its Lease, and what the log says where it cannot.

Called by the lock in `lease` for each request. A replica that never leads must not be silent: a failure is logged at
once, when it changes, and every half a minute; `/readyz` repeats it. Decides nothing about who leads.
"""

from __future__ import annotations

import logging
import math
import time
from dataclasses import dataclass, field
from http import HTTPStatus

import orjson
from kubernetes.aio.client.exceptions import ApiException

from containerapp.kube.client import describe

_logger = logging.getLogger(__name__)

_REPEAT = 30.0
"""Seconds between two warnings of the same failure."""

_REFUSED = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Failure:
    """What kept the replica from its Lease, since when, and when it did last. Times are monotonic."""

    text: str
    refused: bool
    since: float
    seen: float


@dataclass(kw_only=True)
class LeaseAccess:
    """Remembers the last failure to read and to write one Lease.

    `patience` is how long, in seconds, the API server may be away before a replica that could read the Lease counts as
    not ready.
    """

    lease: str
    patience: float
    established: bool = False
    _failures: dict[str, _Failure] = field(default_factory=dict)
    _logged: tuple[str, float] = ("", -math.inf)

    def succeeded(self, verb: str) -> None:
        """Note that the Lease was read or written; a Lease that is not there yet is established by a write."""
        self.established = True
        self._forget(verb)
        if verb != "read":
            self._forget("read")

    def absent(self) -> None:
        """Note that the Lease can be read, and is not there."""
        self._forget("read")

    def failed(self, verb: str, error: BaseException) -> None:
        """Note why the Lease was not read or written, and log it."""
        now, known = time.monotonic(), self._failures.get(verb)
        text = f"The Lease {self.lease} cannot be {_PAST[verb]}, so that this replica cannot lead: {_said(error)}"
        refused = isinstance(error, ApiException) and error.status in _REFUSED
        self._failures[verb] = _Failure(
            text=text, refused=refused, since=known.since if known else now, seen=now
        )
        logged, at = self._logged
        if text != logged or now - at >= _REPEAT:
            self._logged = (text, now)
            _logger.warning("%s", text)

    def readiness_error(self) -> str | None:
        """Return why the replica is of no use as a standby: it has never read the Lease, or cannot any more."""
        now = time.monotonic()
        current = [failure for failure in self._failures.values() if now - failure.seen < self.patience]
        if not self.established:
            return current[-1].text if current else f"The Lease {self.lease} has not been read yet"
        for failure in current:
            if failure.refused or now - failure.since >= self.patience:
                return failure.text
        return None

    def _forget(self, verb: str) -> None:
        if self._failures.pop(verb, None) is not None:
            self._logged = ("", -math.inf)
            _logger.info("The Lease %s can be %s again", self.lease, _PAST[verb])


_PAST = {"read": "read", "create": "created", "update": "renewed"}


def _said(error: BaseException) -> str:
    """Return what went wrong, and the remedy."""
    if not isinstance(error, ApiException):
        return (
            f"the API server cannot be reached ({describe(error) or 'no answer in time'}). Check the network policies "
            "and the proxy (HTTPS_PROXY, NO_PROXY) between this Pod and the API server"
        )
    message = f"the API server answers {error.status} {_message(error)}".rstrip()
    match error.status:
        case HTTPStatus.UNAUTHORIZED:
            return f"{message}. It does not accept the token: restart the Pod, or renew the credentials"
        case HTTPStatus.FORBIDDEN:
            return (
                f"{message}. Grant get, create and update on leases, as the chart's Role does (rbac.create)"
            )
        case _:
            return message


def _message(error: ApiException) -> str:
    try:
        return str(orjson.loads(error.body or "")["message"])
    except (ValueError, TypeError, KeyError):  # a page of a load balancer, not a Status
        return str(error.reason)
