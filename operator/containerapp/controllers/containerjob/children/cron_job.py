"""CronJob: makes the runs of a job that has a schedule.

A changed spec takes effect with the next run. Its Jobs carry the label of the ContainerJob, by which their state comes
into its status; they belong to the CronJob, which deletes them.
"""

from __future__ import annotations

from collections.abc import Iterator

from containerapp.api.containerjob import ContainerJob
from containerapp.api.schedule import cron
from containerapp.controllers.containerjob.inputs import JobInputs
from containerapp.controllers.containerjob.queue import queue_labels
from containerapp.controllers.containerjob.runs import SCHEDULE, TRIGGER
from containerapp.controllers.containerjob.template import job_spec
from containerapp.controllers.pods.metadata import image_annotations, labels, metadata
from containerapp.controllers.workloads.images import others_noted
from containerapp.core.model import Child, Manifest, Prune, Resource

RESOURCE = Resource(api_version="batch/v1", kind="CronJob", plural="cronjobs")


def render(job: ContainerJob, inputs: JobInputs) -> Iterator[Manifest]:
    """Yield the CronJob of a job that has a schedule."""
    spec, image = job.spec, inputs.ready_pin
    if spec.schedule is None or image is None:
        return
    policy, ttl = spec.concurrency_policy, spec.ttl_seconds_after_finished
    optional = {"timeZone": spec.time_zone, "startingDeadlineSeconds": spec.starting_deadline_seconds}
    yield {
        "apiVersion": RESOURCE.api_version,
        "kind": RESOURCE.kind,
        "metadata": metadata(job, image=image, annotations=image_annotations(image) | others_noted(image)),
        "spec": {
            "schedule": cron(spec.schedule),
            **{key: value for key, value in optional.items() if value is not None},
            "concurrencyPolicy": "Forbid" if policy == "Queue" else policy,
            "suspend": spec.suspend or inputs.hindrance is not None,
            "successfulJobsHistoryLimit": spec.successful_jobs_history_limit,
            "failedJobsHistoryLimit": spec.failed_jobs_history_limit,
            "jobTemplate": {
                "metadata": {
                    "labels": {**spec.labels, **labels(job, image), **queue_labels(spec)},
                    "annotations": {TRIGGER: SCHEDULE},
                },
                "spec": {
                    **job_spec(job, inputs, image),
                    **({"suspend": True} if spec.queue is not None else {}),
                    **({"ttlSecondsAfterFinished": ttl} if ttl is not None else {}),
                },
            },
        },
    }


CHILD = Child(resource=RESOURCE, render=render, prune=Prune.NOW)
