"""Has each trigger of each ContainerJob run exactly once? A part of the checker, from the users' record alone.

Nobody deletes a run: the jobs keep all. So a trigger without a Job was lost, and one with two was doubled; a Job that
was deleted and made again shows by its Pods.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tests.chaos.violations import Violation
from tests.chaos.wanted import WantedJob
from tests.controller.api import Manifest

_TRIGGER = "containerapp.dev/trigger"


def check_jobs(wanted: Mapping[str, WantedJob], listed: Mapping[str, list[Manifest]]) -> Iterator[Violation]:
    """Yield what is wrong with the jobs of a namespace, their runs and their statuses."""
    live = {item["metadata"]["name"]: item for item in listed["ContainerJob"]}
    for name in live.keys() - wanted.keys():
        yield Violation(subject=f"ContainerJob {name}", complaint="nobody wants this job")
    owners = {job.uid for job in wanted.values()}
    for run in listed["Job"]:
        if _owner(run) not in owners:
            metadata = run["metadata"]
            yield Violation(
                subject=f"Job {metadata['name']}", complaint="an orphan", found=metadata, collectors=True
            )
    for name, job in wanted.items():
        found = live.get(name)
        if found is None or found["metadata"]["uid"] != job.uid:
            yield Violation(subject=f"ContainerJob {job.namespace}/{name}", complaint="the job is lost")
        else:
            yield from _check_runs(job, found, listed)


def _check_runs(job: WantedJob, found: Manifest, listed: Mapping[str, list[Manifest]]) -> Iterator[Violation]:
    subject = f"ContainerJob {job.namespace}/{job.name}"
    runs = [run for run in listed["Job"] if _owner(run) == job.uid]
    triggers = sorted(run["metadata"]["annotations"][_TRIGGER] for run in runs)
    if triggers != job.triggers:
        yield Violation(subject=subject, complaint=f"its runs should be {job.triggers}", found=triggers)
    for run in runs:
        pods = [pod["metadata"]["name"] for pod in listed["Pod"] if _owner(pod) == run["metadata"]["uid"]]
        if len(pods) != 1 or run.get("status", {}).get("succeeded") != 1:
            complaint = "it should have run one Pod to its end"
            status = (pods, run.get("status"))
            yield Violation(
                subject=f"Job {run['metadata']['name']}", complaint=complaint, found=status, collectors=True
            )
    status = found.get("status", {})
    if sorted(status.get("answered", ())) != sorted(job.asked):
        yield Violation(
            subject=subject, complaint=f"it should have answered {sorted(job.asked)}", found=status
        )
    if status.get("phase") != "Succeeded":
        yield Violation(subject=subject, complaint="it should have succeeded", found=status)


def _owner(item: Manifest) -> str | None:
    owners = item["metadata"].get("ownerReferences", ())
    return next((owner["uid"] for owner in owners if owner.get("controller")), None)
