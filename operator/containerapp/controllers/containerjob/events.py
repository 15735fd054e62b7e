"""Which changes of a ContainerJob's status deserve an Event. Pure.

Called by the engine after a status was written.
"""

from __future__ import annotations

from collections.abc import Iterator

from containerapp.core.conditions import by_type, turned
from containerapp.core.events import stalled
from containerapp.core.model import Event, Manifest


def started(run: str) -> Event:
    """A run was made."""
    return Event(type="Normal", reason="RunStarted", message=f"Job {run} was made.")


def completed(run: str, duration: str) -> Event:
    """The newest run has succeeded."""
    return Event(type="Normal", reason="Completed", message=f"Job {run} has succeeded after {duration}.")


def failed(message: str) -> Event:
    """The newest run has failed."""
    return Event(type="Warning", reason="RunFailed", message=message)


def transitions(old: Manifest, new: Manifest) -> Iterator[Event]:
    """Yield an event for each noteworthy difference between two statuses."""
    run, after = new.get("run", ""), by_type(new)
    is_news = run != old.get("run")
    if run and is_news:
        yield started(run)
    complete, failure = after.get("Complete", {}), after.get("Failed", {})
    if run and complete.get("status") == "True" and (is_news or turned(old, new, "Complete")):
        yield completed(run, new.get("duration", ""))
    elif run and failure.get("status") == "True" and (is_news or turned(old, new, "Failed")):
        yield failed(failure["message"])
    elif after.get("Stalled") and turned(old, new, "Stalled"):
        yield stalled(after["Stalled"]["reason"], after["Stalled"]["message"])
