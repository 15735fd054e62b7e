"""The operator's error tree: what went wrong decides what happens next.

* `InvalidSpec`: the user must edit the manifest. No retry; a condition says which field and how to mend it.
* `Blocked`: something the app depends on is missing or refused. A condition, and a slow retry.
* `Transient`: throttling, 5xx, conflicts, broken connections. Retry with exponential backoff and jitter.

Anything else that is raised during a reconcile is a bug in the operator: traceback, metric, retry.
Every message is read by the user in the app's status: it names the field or the object, and the remedy.
"""

from __future__ import annotations


class ContainerAppError(Exception):
    """Base of the tree.

    `reason` is a CamelCase word for conditions and events, `message` a sentence that names the remedy.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class InvalidSpec(ContainerAppError):
    """The manifest cannot be carried out as written; only an edit helps."""


class Blocked(ContainerAppError):
    """A dependency is missing or refused; retried slowly, because another team has to act."""


class Transient(ContainerAppError):
    """A passing fault; retried with exponential backoff.

    `retry_after` is the least number of seconds to wait, where the other side has named one.
    """

    def __init__(self, reason: str, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(reason, message)
        self.retry_after = retry_after
