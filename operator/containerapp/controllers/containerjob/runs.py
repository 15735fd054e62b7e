"""The runs of a ContainerJob, as their Jobs show them: what each answers, and how it went. Pure.

A run answers one trigger: the spec at a generation, an annotation, or the schedule. What it answers stands in the
annotations of its Job, and its name follows from it, so that no trigger has two Jobs.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from containerapp.api.containerjob import ContainerJob
from containerapp.api.run_request import RunRequest
from containerapp.controllers.containerjob.continuation import Continuation
from containerapp.controllers.containerjob.queue import queue_of
from containerapp.controllers.pods.job import RESOURCE, ending
from containerapp.core.fingerprint import digest_of
from containerapp.core.model import Manifest, ObjectRef, PinnedImage, View

TRIGGER = "containerapp.dev/trigger"
"""On a Job: what it answers."""
SPEC_RUN = "containerapp.dev/spec-run"
"""On a Job: number and fingerprint of the spec that it was made from."""
SPEC, SCHEDULE, DEMAND = "Spec", "Schedule", "run/"

_NOT_IN_RUN = (
    "image",  # what it stands for is a part of its own
    "schedule",
    "time_zone",
    "starting_deadline_seconds",
    "suspend",
    "on_change",
    "concurrency_policy",
    "successful_jobs_history_limit",
    "failed_jobs_history_limit",
    "ttl_seconds_after_finished",
    "depends_on",
    "queue",
    "queue_priority_class",
    "ready_when",
    "labels",
)
"""Fields of the spec that change nothing in a run: an edit makes none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecRun:
    """The spec that a run was made from: a fingerprint of what reaches the run, and its number among those runs."""

    number: int = 0
    fingerprint: str = ""

    @classmethod
    def of(cls, job: ContainerJob, image: PinnedImage, last: SpecRun, after: tuple[str, ...] = ()) -> SpecRun:
        """Return what the spec asks for now, `after` runs of other jobs: `last`, where that is the same."""
        spec = job.spec.model_dump(
            by_alias=True, mode="json", exclude_defaults=True, exclude=set(_NOT_IN_RUN)
        )
        fingerprint = digest_of([spec, image.reference, image.image])
        if after:
            fingerprint += f".{digest_of(after)}"
        return (
            last if fingerprint == last.fingerprint else cls(number=last.number + 1, fingerprint=fingerprint)
        )

    @classmethod
    def read(cls, text: str) -> SpecRun:
        """Read what `str` has written; what is malformed is older than all."""
        number, _, fingerprint = text.partition("-")
        return cls(number=int(number), fingerprint=fingerprint) if number.isdigit() else cls()

    @property
    def spec(self) -> str:
        """The part of the fingerprint that other jobs have no part in."""
        return self.fingerprint.partition(".")[0]

    def __str__(self) -> str:
        return f"{self.number}-{self.fingerprint}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """A run that is due: what it answers, and what it has instead of what the spec says."""

    name: str
    spec_run: SpecRun
    request: RunRequest = field(default_factory=RunRequest)
    continuation: Continuation = field(default_factory=Continuation)

    def ref(self, job: ContainerJob) -> ObjectRef:
        """Return the reference of its Job, which no other trigger has."""
        suffix = str(self.spec_run.number) if self.name == SPEC else digest_of(self.name)[:10]
        return RESOURCE.ref(f"{job.metadata.name}-{suffix}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A Job. `outcome` is `Complete`, `Failed`, or empty while it goes on; `own`: it is not the CronJob's."""

    name: str
    trigger: str
    spec_run: SpecRun
    own: bool
    created: str
    started: str = ""
    ended: str = ""
    outcome: str = ""
    reason: str = ""
    message: str = ""
    active: int = 0
    succeeded: int = 0
    failed: int = 0
    failed_indexes: str = ""
    succeeded_indexes: str = ""
    size: int = 1
    uid: str = ""
    queue: str = ""
    """The queue that it waits in; empty where it does not."""
    continuation: Continuation = field(default_factory=Continuation)

    @classmethod
    def read(cls, manifest: Manifest, *, own: bool) -> Run:
        """Read a Job as it lives."""
        metadata, status = manifest["metadata"], manifest.get("status") or {}
        notes = metadata.get("annotations") or {}
        ended = ending(manifest)
        return cls(
            name=metadata["name"],
            trigger=notes.get(TRIGGER, SCHEDULE),
            spec_run=SpecRun.read(notes.get(SPEC_RUN, "")),
            own=own,
            created=metadata.get("creationTimestamp", ""),
            started=status.get("startTime") or "",
            ended=status.get("completionTime") or ended.get("lastTransitionTime", ""),
            outcome=ended.get("type", ""),
            reason=ended.get("reason", ""),
            message=ended.get("message", ""),
            active=status.get("active", 0),
            succeeded=status.get("succeeded", 0),
            failed=status.get("failed", 0),
            failed_indexes=status.get("failedIndexes", ""),
            succeeded_indexes=status.get("completedIndexes", ""),
            size=manifest["spec"].get("completions", 1),
            continuation=Continuation.read(manifest),
            uid=metadata.get("uid", ""),
            queue=queue_of(manifest),
        )

    @property
    def ref(self) -> ObjectRef:
        """Reference of the Job."""
        return RESOURCE.ref(self.name)

    @property
    def root(self) -> str:
        """Name of the first run of those that share its indexes."""
        return self.continuation.continues or self.name

    @property
    def phase(self) -> str:
        """In one word how it stands."""
        if self.outcome:
            return "Succeeded" if self.outcome == "Complete" else "Failed"
        return "Running" if self.active else "Pending"


def read_all(view: View) -> tuple[Run, ...]:
    """Return the runs that live, the oldest first: those of the schedule belong to the CronJob."""
    own = (Run.read(each, own=True) for each in view.live.values() if each["kind"] == RESOURCE.kind)
    scheduled = (Run.read(each, own=False) for each in view.dependents.values() if _is_scheduled(each, view))
    return tuple(sorted([*own, *scheduled], key=lambda run: (run.created, run.spec_run.number, run.name)))


def last_spec_run(job: ContainerJob, runs: Iterable[Run]) -> SpecRun:
    """Return the newest spec that a run was made from, by the Jobs and by the status.

    Where a run replaces all others, one on demand that was due together with the spec's has taken its place.
    """
    spec = job.spec
    replaces = spec.concurrency_policy == "Replace" and spec.on_change == "Run" and spec.schedule is None
    known = [
        run.spec_run for run in runs if run.trigger == SPEC or (replaces and run.trigger.startswith(DEMAND))
    ]
    return max([SpecRun.read(job.status.spec_run or ""), *known], key=lambda each: each.number)


def _is_scheduled(child: Manifest, view: View) -> bool:
    return child["kind"] == RESOURCE.kind and any(
        owner["kind"] == "CronJob" and owner["name"] == view.key.name
        for owner in child["metadata"].get("ownerReferences") or ()
    )
