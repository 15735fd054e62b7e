"""The status that a job deserves: how its newest run stands, the last runs, and the conditions. Pure.

Called once at the end of every reconcile. A job with a schedule is Ready while the schedule is set, one that runs on
demand alone while no run of it goes on; any other is Reconciling while it runs, and Stalled once it has failed. What
the Jobs no longer show is carried over from the old status.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from containerapp.api.containerjob import ContainerJob
from containerapp.api.containerjob_status import RunStatus
from containerapp.controllers.containerjob.choice import Choice, answered
from containerapp.controllers.containerjob.failure import Finding
from containerapp.controllers.containerjob.queue import waits
from containerapp.controllers.containerjob.runs import SCHEDULE, Run, last_spec_run, read_all
from containerapp.controllers.workloads.concerns import Concern, PodFacts
from containerapp.controllers.workloads.identity import identity_ready, status_of
from containerapp.controllers.workloads.image import Resolving, Unavailable
from containerapp.controllers.workloads.image_resolved import image_resolved, image_status
from containerapp.controllers.workloads.plain_text import plain_text
from containerapp.controllers.workloads.secrets_ready import secrets_ready
from containerapp.controllers.workloads.storage import volumes_ready
from containerapp.core.conditions import Condition, dated, optional_kinds
from containerapp.core.model import Manifest, Outcome, View
from containerapp.errors import Blocked, ContainerAppError, InvalidSpec, Transient

_SHOWN = 10
_MESSAGE = 1024
FAILED_ONLY = """'{"indexes": "failed"}'"""

CONCERNS: tuple[Callable[[PodFacts], Iterator[Concern]], ...] = (
    secrets_ready,
    identity_ready,
    volumes_ready,
    plain_text,
)
"""The groups of fields that have a condition of their own, in the order in which the status lists them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFacts(PodFacts):
    """What the checks of the status of a job look at."""

    app: ContainerJob
    runs: tuple[Run, ...]
    choice: Choice
    hindrance: ContainerAppError | None

    @property
    def newest(self) -> Run | None:
        """The run that the status speaks of; None where its Job is gone, or there was none."""
        return self.runs[-1] if self.runs else None

    @property
    def finding(self) -> Finding | None:
        """What the Pods of the newest run showed, where they were asked."""
        found: Finding | None = self.view.finding
        return found


def compute_status(view: View, outcome: Outcome, now: str) -> Manifest:
    """Return the whole status of the job; `now` (RFC 3339) dates the conditions that change with it."""
    job: ContainerJob = view.obj
    facts = JobFacts(
        app=job,
        image=outcome.gathered.inputs.image,
        outcome=outcome,
        view=view,
        runs=read_all(view),
        choice=outcome.gathered.inputs.choice,
        hindrance=outcome.gathered.inputs.hindrance,
    )
    old = job.status.model_dump(by_alias=True, mode="json", exclude_none=True)
    conditions = [*_check(facts), *optional_kinds(outcome.optional, view.absent)]
    status = {
        "observedGeneration": job.metadata.generation,
        "conditions": dated(conditions, old, job.metadata.generation, now),
        "phase": _phase(facts),
        **_newest(facts, old),
        "lastFailure": _last_failure(facts) or old.get("lastFailure"),
        "lastScheduleTime": _last_schedule(facts) or old.get("lastScheduleTime"),
        "runs": _history(facts),
        "specRun": str(last_spec_run(job, facts.runs)),
        "answered": list(answered(job, facts.runs, facts.choice.skipped)),
        "image": image_status(facts),
        "identity": status_of(job, outcome.gathered.inputs.role),
        "resources": [
            {"apiVersion": ref.api_version, "kind": ref.kind, "name": ref.name} for ref in outcome.resources
        ],
    }
    return {key: value for key, value in status.items() if value not in (None, [], "")}


def _newest(facts: JobFacts, old: Manifest) -> Manifest:
    """Return the counts and times of the newest run; those of one whose Job is gone stay."""
    run = facts.newest
    if run is None:
        keys = (
            "run",
            "startTime",
            "completionTime",
            "duration",
            "active",
            "succeeded",
            "failed",
            "failedIndexes",
            "continues",
        )
        return {key: old.get(key) for key in keys} | {"active": 0}
    return {
        "run": run.name,
        "startTime": run.started,
        "completionTime": run.ended,
        "duration": _duration(run),
        "active": run.active,
        "succeeded": run.succeeded,
        "failed": run.failed,
        "failedIndexes": run.failed_indexes,
        "continues": run.continuation.continues or None,
    }


def _duration(run: Run) -> str:
    """Return how long a run took, as `kubectl get jobs` writes it."""
    if not run.started or not run.ended:
        return ""
    took = datetime.fromisoformat(run.ended) - datetime.fromisoformat(run.started)
    minutes, seconds = divmod(int(took / timedelta(seconds=1)), 60)
    hours, minutes = divmod(minutes, 60)
    parts = {"h": hours, "m": minutes, "s": seconds}
    return "".join(f"{value}{unit}" for unit, value in parts.items() if value) or "0s"


def _phase(facts: JobFacts) -> str:
    run, spec = facts.newest, facts.app.spec
    if run is not None and not run.outcome:
        return run.phase
    if spec.suspend:
        return "Suspended"
    if facts.choice.waiting or facts.choice.start:
        return "Waiting"
    if spec.schedule is not None:
        return "Scheduled"
    if run is not None:
        return run.phase
    last = next(iter(facts.app.status.runs), None)
    if last is None:
        return "OnDemand" if spec.on_change == "Wait" else "Pending"
    return _gone(last).phase or ""


def _history(facts: JobFacts) -> list[Manifest]:
    """Return the last runs, the newest first; those whose Jobs are gone as they were seen last."""
    live = [
        RunStatus(
            name=run.name,
            trigger=run.trigger,
            phase=run.phase,
            start_time=run.started or run.created,
            completion_time=run.ended or None,
        )
        for run in facts.runs
    ]
    known = {run.name for run in facts.runs}
    gone = [_gone(each) for each in facts.app.status.runs if each.name not in known]
    newest_first = sorted([*live, *gone], key=lambda each: (each.start_time or "", each.name), reverse=True)
    return [each.model_dump(by_alias=True, exclude_none=True) for each in newest_first[:_SHOWN]]


def _gone(run: RunStatus) -> RunStatus:
    """A run whose Job was deleted before it had ended has failed."""
    ended = run.phase in {"Succeeded", "Failed"}
    return run if ended else run.model_copy(update={"phase": "Failed"})


def _last_failure(facts: JobFacts) -> Manifest | None:
    """Return how the newest run has failed, once its Pods were asked."""
    run, finding = facts.newest, facts.finding
    if run is None or run.outcome != "Failed" or finding is None:
        return None
    failure = {
        "run": run.name,
        "exitCode": finding.exit_code,
        "message": (finding.sentence or run.message)[:_MESSAGE],
        "output": finding.output,
    }
    return {key: value for key, value in failure.items() if value not in (None, "")}


def _last_schedule(facts: JobFacts) -> str | None:
    cron_jobs = (child for child in facts.view.live.values() if child["kind"] == "CronJob")
    return next(((child.get("status") or {}).get("lastScheduleTime") for child in cron_jobs), None)


def _check(facts: JobFacts) -> Iterator[Condition]:
    concerns = [concern for check in CONCERNS for concern in check(facts)]
    obstacles = (
        _obstacle(facts),
        *(concern.obstacle for concern in concerns),
        facts.choice.refused,
        facts.choice.obstacle,
    )
    yield from _summary(facts, next((each for each in obstacles if each is not None), None))
    yield from _ended(facts)
    yield from _admitted(facts)
    yield image_resolved(facts)
    yield from (concern.condition for concern in concerns)


def _obstacle(facts: JobFacts) -> ContainerAppError | None:
    """Return the first thing that keeps the job from running as its spec says."""
    outcome = facts.outcome
    if outcome.error is not None:
        return outcome.error
    if isinstance(facts.image, Unavailable):
        return facts.image.error
    if isinstance(facts.image, Resolving):
        waited = facts.image.image or facts.app.spec.image
        return Transient("ResolvingImage", f"Waiting for the registry to resolve {waited}.")
    if outcome.terminating:
        names = ", ".join(map(str, outcome.terminating))
        return Transient("PredecessorTerminating", f"Waiting until the former {names} is deleted.")
    return None


def _summary(facts: JobFacts, obstacle: ContainerAppError | None) -> Iterator[Condition]:
    """Ready, and Reconciling or Stalled where it is not."""
    state = obstacle or _state(facts)
    if isinstance(state, ContainerAppError):
        yield Condition(type="Ready", status="False", reason=state.reason, message=state.message)
        kind = "Stalled" if isinstance(state, InvalidSpec | Blocked) else "Reconciling"
        yield Condition(type=kind, status="True", reason=state.reason, message=state.message)
    else:
        yield state


def _state(facts: JobFacts) -> Condition | ContainerAppError:
    """Return why the job is Ready, or what is waited for."""
    spec, run = facts.app.spec, facts.newest
    if run is not None and run.queue:
        waiting = waits(run.name, run.queue, facts.finding)
        return Transient(waiting.reason, waiting.message)
    if run is not None and not run.outcome and run.trigger != SCHEDULE:
        if spec.ready_when == "Started" and run.active:
            return _ready("Started", _progress(facts, run))
        return Transient("Running", _progress(facts, run))
    if spec.suspend:
        return _ready("Suspended", "Suspended: no run starts. Set spec.suspend to false to go on.")
    if facts.choice.start or facts.choice.waiting:
        count = len(facts.choice.start) + len(facts.choice.waiting)
        return Transient("Waiting", f"{count} {'run waits' if count == 1 else 'runs wait'} to start.")
    if spec.schedule is not None:
        return _ready("Scheduled", f"Runs by the schedule {spec.schedule}.")
    if spec.on_change == "Wait":
        return _ready("OnDemand", f"Runs on demand: {_again(facts)}")
    return _result(facts, run)


def _result(facts: JobFacts, run: Run | None) -> Condition | ContainerAppError:
    if run is None:
        last = next(iter(facts.app.status.runs), None)
        if last is None:
            return Transient("Pending", "No run was made yet.")
        if _gone(last).phase == "Failed":
            return Blocked("RunFailed", _deleted(facts, last))
        return _ready("Completed", f"Job {last.name} has succeeded, and was deleted since.")
    if run.outcome == "Failed":
        return Blocked("RunFailed", _failure(facts, run))
    return _ready("Completed", f"Job {run.name} has succeeded.")


def _ready(reason: str, message: str) -> Condition:
    return Condition(type="Ready", status="True", reason=reason, message=message)


def _admitted(facts: JobFacts) -> Iterator[Condition]:
    """Say how a job with a queue stands there."""
    run, queue, hindrance = facts.newest, facts.app.spec.queue, facts.hindrance
    if queue is None:
        return
    if hindrance is not None:
        yield Condition(type="Admitted", status="False", reason=hindrance.reason, message=hindrance.message)
    elif run is not None and run.queue:
        yield waits(run.name, run.queue, facts.finding)
    else:
        message = f"No run waits in the queue {queue}."
        yield Condition(type="Admitted", status="True", reason="Admitted", message=message)


def _ended(facts: JobFacts) -> Iterator[Condition]:
    """Complete and Failed, as a Job of Kubernetes has them, of the newest run."""
    run = facts.newest
    last = next(iter(facts.app.status.runs), None)
    phase = run.phase if run is not None else _gone(last).phase if last is not None else "Pending"
    message = {
        "Succeeded": "The newest run has succeeded.",
        "Failed": _failure(facts, run) if run is not None else "The newest run has failed.",
    }.get(phase or "", "The newest run has not ended.")
    for kind, when in (("Complete", "Succeeded"), ("Failed", "Failed")):
        status = "True" if phase == when else "False"
        yield Condition(type=kind, status=status, reason=phase or "Pending", message=message)


def _progress(facts: JobFacts, run: Run) -> str:
    size = facts.app.spec.array.size if facts.app.spec.array else 1
    parts = [f"Job {run.name}: {run.succeeded} of {size} {'Pod has' if size == 1 else 'Pods have'} succeeded"]
    if run.active:
        parts.append(f"{run.active} active")
    if run.failed:
        parts.append(f"{run.failed} {'attempt has' if run.failed == 1 else 'attempts have'} failed")
    sentence = facts.finding.sentence if facts.finding else ""
    return f"{', '.join(parts)}. {sentence}".strip()


def _failure(facts: JobFacts, run: Run) -> str:
    """Say why the run has failed, with what its Pods have shown, and what to do."""
    known = facts.app.status.last_failure
    finding = facts.finding
    said = (
        known.message if known is not None and known.run == run.name else finding.sentence if finding else ""
    )
    indexes = f" Failed indexes: {run.failed_indexes}." if run.failed_indexes else ""
    cause = f"{run.reason}: {run.message.rstrip('.')}." if run.reason else ""
    words = f"Job {run.name} has failed.{indexes} {said or cause}".strip()
    part = f" Or the failed indexes alone: {_again(facts, FAILED_ONLY)}" if run.failed_indexes else ""
    remedy = "Run it again" if facts.app.spec.on_change == "Wait" else "Change the spec, or run it again"
    return f"{words} {remedy}: {_again(facts)}{part}"


def _deleted(facts: JobFacts, run: RunStatus) -> str:
    return f"Job {run.name} has failed, or was deleted while it ran. Run it again: {_again(facts)}"


def _again(facts: JobFacts, request: str = "") -> str:
    metadata = facts.app.metadata
    command = f"kubectl annotate containerjob {metadata.name} -n {metadata.namespace}"
    return f"{command} run.containerapp.dev/$(date +%s)={request}"
