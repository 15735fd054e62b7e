"""Which runs start, wait, end and are kept. Pure.

Called by `gather` with the runs that live. It remembers nothing: what was answered stands in the status and in the
Jobs, and a Job of which the status does not know yet is kept, so that no trigger is ever answered twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from containerapp.api.containerjob import ContainerJob
from containerapp.api.run_request import RunRequest, tokens
from containerapp.controllers.containerjob.continuation import asked_for, followed_on
from containerapp.controllers.containerjob.dependencies import Dependencies
from containerapp.controllers.containerjob.runs import DEMAND, SPEC, Run, SpecRun, Trigger, last_spec_run
from containerapp.core.model import ObjectRef, PinnedImage
from containerapp.errors import ContainerAppError, InvalidSpec

_NONE = Dependencies()


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What is to be done about the runs.

    `start` are made now, `waiting` later, `skipped` never; `keep` are the Jobs that stay. `refused` says what is wrong
    with a run on demand, `obstacle` why none may start. `again_after`: seconds after which a Job is too old to be kept.
    """

    start: tuple[Trigger, ...] = ()
    waiting: tuple[Trigger, ...] = ()
    skipped: tuple[Trigger, ...] = ()
    keep: frozenset[ObjectRef] = frozenset()
    refused: InvalidSpec | None = None
    obstacle: ContainerAppError | None = None
    again_after: float | None = None


def choose(
    job: ContainerJob,
    image: PinnedImage | None,
    runs: tuple[Run, ...],
    now: datetime,
    dependencies: Dependencies = _NONE,
) -> Choice:
    """Return the choice; while the `image` has no digest, or a dependency has not succeeded, nothing starts."""
    due, refused = _due(job, image, runs, dependencies)
    active = [run for run in runs if not run.outcome]
    outdated = [run for run in active if _is_outdated(run, due)]
    obstacle = dependencies.obstacle if due else None
    start, waiting, skipped = _sorted(job, due, busy=len(outdated) < len(active), held=obstacle is not None)
    replaced = {run.ref for run in _replaced(job, active, outdated)} if start else set()
    keep = frozenset(run.ref for run in _kept(job, runs, now)) - replaced
    return Choice(
        start=start,
        waiting=waiting,
        skipped=skipped,
        keep=keep,
        refused=refused,
        obstacle=None if active else obstacle,
        again_after=_next_expiry(job, runs, now),
    )


def answered(job: ContainerJob, runs: tuple[Run, ...], skipped: tuple[Trigger, ...] = ()) -> tuple[str, ...]:
    """Return the runs on demand that were answered, as far as their annotations are still there."""
    known = {
        *job.status.answered,
        *(each.name.removeprefix(DEMAND) for each in (*runs_on_demand(runs), *skipped)),
    }
    return tuple(token for token, _ in tokens(job.metadata.annotations) if token in known)


def runs_on_demand(runs: tuple[Run, ...]) -> Iterator[Trigger]:
    """Yield what the runs on demand answer."""
    return (
        Trigger(name=run.trigger, spec_run=run.spec_run) for run in runs if run.trigger.startswith(DEMAND)
    )


def _due(
    job: ContainerJob, image: PinnedImage | None, runs: tuple[Run, ...], dependencies: Dependencies
) -> tuple[list[Trigger], InvalidSpec | None]:
    """Return the triggers that no run answers yet: that of the spec comes first."""
    if image is None:
        return [], None
    last = last_spec_run(job, runs)
    wanted, done, refused = SpecRun.of(job, image, last, dependencies.runs), answered(job, runs), None
    newest, due = runs[-1] if runs else None, []
    if _spec_is_due(job, wanted, last):
        goes_on = followed_on(
            newest if newest and newest.spec_run.spec == wanted.spec else None, dependencies
        )
        due = [Trigger(name=SPEC, spec_run=wanted, continuation=goes_on)]
    for token, text in tokens(job.metadata.annotations):
        if token in done:
            continue
        try:
            request = RunRequest.parse(token, text)
            goes_on = asked_for(job, request, newest, dependencies)
        except InvalidSpec as error:
            refused = error
        else:
            name = f"{DEMAND}{token}"
            due.append(Trigger(name=name, spec_run=wanted, request=request, continuation=goes_on))
    return due, refused


def _spec_is_due(job: ContainerJob, wanted: SpecRun, last: SpecRun) -> bool:
    return job.spec.schedule is None and job.spec.on_change == "Run" and wanted != last


def _sorted(
    job: ContainerJob, due: list[Trigger], *, busy: bool, held: bool
) -> tuple[tuple[Trigger, ...], tuple[Trigger, ...], tuple[Trigger, ...]]:
    """Return which triggers start, wait and are left out."""
    if job.spec.suspend or held:
        return (), tuple(due), ()
    match job.spec.concurrency_policy:
        case "Allow":
            return tuple(due), (), ()
        case "Queue":
            first = () if busy else tuple(due[:1])
            return first, tuple(due[len(first) :]), ()
        case "Replace":
            return tuple(due[-1:]), (), tuple(due[:-1])
        case _:  # Forbid
            first = () if busy else tuple(due[:1])
            return first, (), tuple(due[len(first) :])


def _is_outdated(run: Run, due: list[Trigger]) -> bool:
    """Whether a run of the spec still waits in its queue while a newer spec is due: it may never fit its quota."""
    newer = any(trigger.name == SPEC for trigger in due)
    return newer and run.trigger == SPEC and bool(run.queue) and not run.succeeded and not run.failed


def _replaced(job: ContainerJob, active: list[Run], outdated: list[Run]) -> list[Run]:
    """Return the runs that end when another one starts."""
    match job.spec.concurrency_policy:
        case "Replace":
            return active
        case "Allow":
            return []
        case _:
            return outdated


def _kept(job: ContainerJob, runs: tuple[Run, ...], now: datetime) -> Iterator[Run]:
    """Yield the runs whose Jobs stay; those of the schedule are the CronJob's to delete."""
    limits = {
        "Complete": job.spec.successful_jobs_history_limit,
        "Failed": job.spec.failed_jobs_history_limit,
    }
    for run in reversed(runs):
        if not run.own:
            continue
        if not run.outcome or not _is_recorded(job, run):
            yield run
        elif limits[run.outcome] > 0:
            limits[run.outcome] -= 1
            expiry = _expiry(job, run)
            if expiry is None or expiry > now:
                yield run


def _is_recorded(job: ContainerJob, run: Run) -> bool:
    """Whether the status knows of the run: without its Job the trigger stays answered."""
    if run.trigger == SPEC:
        return SpecRun.read(job.status.spec_run or "").number >= run.spec_run.number
    token = run.trigger.removeprefix(DEMAND)
    return token in job.status.answered or token not in dict(tokens(job.metadata.annotations))


def _expiry(job: ContainerJob, run: Run) -> datetime | None:
    ttl = job.spec.ttl_seconds_after_finished
    return (
        None if ttl is None or not run.ended else datetime.fromisoformat(run.ended) + timedelta(seconds=ttl)
    )


def _next_expiry(job: ContainerJob, runs: tuple[Run, ...], now: datetime) -> float | None:
    """Return the seconds until the next run is too old; what is too old already goes now."""
    expiries = [_expiry(job, run) for run in runs if run.own and run.outcome]
    left = [(expiry - now).total_seconds() for expiry in expiries if expiry is not None]
    return max(1.0, min(left)) if left else None
