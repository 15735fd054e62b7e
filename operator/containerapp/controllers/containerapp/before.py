"""The before-job: a Job that runs to completion before the first Pod of a new revision. Pure.

`choice` asks how it stands. Once for each revision: the Job has the revision's number in its name, and the revision
records that it has succeeded, so that neither a crash nor a deleted Job runs it again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from enum import Enum

from containerapp.api.containerapp import ContainerApp
from containerapp.controllers.containerapp.failure import Finding
from containerapp.controllers.containerapp.revisions import Revision, running_number
from containerapp.controllers.pods.job import RESOURCE, ending
from containerapp.core.model import Manifest, ObjectRef

BEFORE_LABEL = "containerapp.dev/before"
"""On the Pods of a before-job, which must not be taken for the app's: the name of the Job."""
_NAME = 63
_HISTORY = 3


class State(Enum):
    """How the before-job of the wanted revision stands."""

    NONE = "none"
    """There is none to run."""
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"

    @property
    def blocks(self) -> bool:
        """Whether the new revision has to wait."""
        return self in {State.RUNNING, State.FAILED}


def state_of(
    app: ContainerApp, wanted: Revision, running: int | None, live: Mapping[ObjectRef, Manifest]
) -> State:
    """Return the state; a revision that runs, or has run, needs no Job any more."""
    if app.spec.rollout.before is None or wanted.before_done or running == wanted.number:
        return State.NONE
    if app.spec.rollout.revision is not None:
        return State.NONE
    job = live.get(ref_of(app, wanted))
    if job is None:
        return State.FAILED if wanted.rejected else State.RUNNING
    if _is_complete(job):
        return State.SUCCEEDED
    return State.FAILED if ending(job) else State.RUNNING


def ref_of(app: ContainerApp, wanted: Revision) -> ObjectRef:
    """Return the reference of the Job: another one for each try."""
    attempt = f"-{hashlib.sha256(wanted.retried.encode()).hexdigest()[:5]}" if wanted.retried else ""
    suffix = f"-before-{wanted.number}{attempt}"
    name = app.metadata.name
    if len(name) + len(suffix) > _NAME:
        short = hashlib.sha256(name.encode()).hexdigest()[:8]
        name = f"{name[: _NAME - len(suffix) - 9].rstrip('-')}-{short}"
    return RESOURCE.ref(name + suffix)


def failure(app: ContainerApp, wanted: Revision, finding: Finding | None) -> str:
    """Return why the Job has failed, as far as its Pod has shown it."""
    name = ref_of(app, wanted).name
    said = finding.sentence if finding else ""
    output = f"\nIts last output:\n{finding.output}" if finding and finding.output else ""
    return f"The before-job {name} has failed. {said}".strip() + output


def unfinished(children: Iterable[Manifest], running: int | None) -> str | None:
    """Return the name of the before-job of a newer revision than the `running` one, while it has not succeeded."""
    for child in children:
        if child["kind"] == RESOURCE.kind and not _is_complete(child):
            number = running_number(child)
            if number is not None and number > (running or 0):
                return str(child["metadata"]["name"])
    return None


def kept(app: ContainerApp, revisions: tuple[Revision, ...]) -> Iterator[ObjectRef]:
    """Yield the Jobs that stay for the user to see: those of the newest revisions."""
    return (ref_of(app, each) for each in revisions[-_HISTORY:])


def _is_complete(job: Manifest) -> bool:
    return bool(ending(job).get("type") == "Complete")
