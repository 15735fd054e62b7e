"""The page of `status` for a job: when it runs, how its runs went, and why the last one that failed has failed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import click

from containerapp.cli.looks import Look, age
from containerapp.cli.pages import conditions, events, headline, image, pods
from containerapp.cli.tables import table
from containerapp.cli.upcoming import upcoming
from containerapp.core.model import Manifest

_EVENTS = 10
_PODS = 10
_RUN = "batch.kubernetes.io/job-name"


def job_page(look: Look) -> str:
    """Return everything about a job on one page."""
    return "\n".join(_sections(look, datetime.now(UTC)))


def _sections(look: Look, now: datetime) -> Iterator[str]:
    yield headline(look)
    yield f"  Image  {image(look)}"
    yield f"  Runs   {_when(look.app, look.status, now)}"
    yield from _newest(look.status, look.app["spec"])
    yield from _failure(look.status.get("lastFailure") or {})
    yield from ("", conditions(look))
    if runs := look.status.get("runs"):
        yield from ("", _runs(runs, look))
    yield from _pods(look)
    if look.events:
        yield from ("", events(look.events[-_EVENTS:]))


def _when(job: Manifest, status: Manifest, now: datetime) -> str:
    """Say in words when the job runs, and when it runs next."""
    spec = job["spec"]
    schedule, zone = spec.get("schedule"), spec.get("timeZone")
    if schedule is None:
        said = "on demand" if spec.get("onChange") == "Wait" else "with each change, and on demand"
        return f"{said}; suspended" if spec.get("suspend") else said
    said = f"by the schedule {schedule}" + (f" of {zone}" if zone else "")
    last = status.get("lastScheduleTime")
    before = f"; last {age(last, now)} ago" if last else ""
    if spec.get("suspend"):
        return f"{said}; suspended{before}"
    since = datetime.fromisoformat(last or job["metadata"]["creationTimestamp"])
    at = upcoming(schedule, zone, since, now)
    after = f"; next at {at:%Y-%m-%d %H:%M %Z}, in {age(now.isoformat(), at)}" if at else ""
    return f"{said}{after}{before}"


def _newest(status: Manifest, spec: Manifest) -> Iterator[str]:
    """Say how far the newest run is."""
    if not status.get("run"):
        return
    size = (spec.get("array") or {}).get("size", 1)
    parts = [f"{status.get('succeeded', 0)} of {size} succeeded"]
    parts += [f"{status[key]} {key}" for key in ("active", "failed") if status.get(key)]
    if status.get("failedIndexes"):
        parts.append(f"failed indexes {status['failedIndexes']}")
    yield f"  Newest {status['run']}: {', '.join(parts)}"


def _failure(failure: Manifest) -> Iterator[str]:
    """Show how the last run that failed has failed, with its last lines."""
    if not failure:
        return
    code = f" (exit code {failure['exitCode']})" if "exitCode" in failure else ""
    yield ""
    yield click.style(f"{failure['run']} has failed{code}: {failure.get('message', '')}", fg="red")
    yield from (f"  | {line}" for line in str(failure.get("output", "")).splitlines())


def _runs(runs: Sequence[Manifest], look: Look) -> str:
    """Return the last runs, the newest first; of those whose Job is gone the indexes are not known."""
    indexes = {job["metadata"]["name"]: job.get("status", {}).get("failedIndexes") for job in look.jobs}
    rows = [
        (
            run["name"],
            run.get("trigger", "-"),
            run.get("phase", "-"),
            f"{age(run.get('startTime'))} ago" if run.get("startTime") else "-",
            _duration(run),
            indexes.get(run["name"]) or "-",
        )
        for run in runs
    ]
    return table(("RUN", "TRIGGER", "PHASE", "STARTED", "DURATION", "FAILED INDEXES"), rows)


def _duration(run: Manifest) -> str:
    ended = run.get("completionTime")
    return age(run.get("startTime"), datetime.fromisoformat(ended) if ended else None)


def _pods(look: Look) -> Iterator[str]:
    """Show Pods of the newest run, those first that have not succeeded."""
    newest = [
        pod for pod in look.pods if (pod["metadata"].get("labels") or {}).get(_RUN) == look.status.get("run")
    ]
    newest.sort(key=lambda pod: pod.get("status", {}).get("phase") == "Succeeded")
    if newest:
        yield from ("", pods(newest[:_PODS]))
    if len(newest) > _PODS:
        yield f"… and {len(newest) - _PODS} more"
