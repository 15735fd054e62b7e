"""Job: one run. It is created once, by a name that no other trigger has.

Kubernetes lets the template of a Job never change; so a Job that lives is kept or deleted, and not rendered, unless it
was created to be released once it has its first status, or waits in another queue than the spec names.
"""

from __future__ import annotations

from collections.abc import Iterator

from containerapp.api.containerjob import ContainerJob
from containerapp.controllers.containerjob.continuation import next_step
from containerapp.controllers.containerjob.inputs import JobInputs
from containerapp.controllers.containerjob.queue import moved, queue_labels
from containerapp.controllers.containerjob.runs import SPEC_RUN, TRIGGER
from containerapp.controllers.containerjob.template import job_spec
from containerapp.controllers.pods.job import RESOURCE
from containerapp.controllers.pods.metadata import image_annotations, metadata
from containerapp.controllers.workloads.images import others_noted
from containerapp.core.model import Child, Manifest, Prune


def render(job: ContainerJob, inputs: JobInputs) -> Iterator[Manifest]:
    """Yield the runs that start now, and those whose Jobs wait for a status, for their release or in another queue."""
    queued = queue_labels(job.spec)
    kept = (each for name, each in inputs.jobs.items() if RESOURCE.ref(name) in inputs.choice.keep)
    yield from filter(None, (next_step(each, queued) or moved(each, queued) for each in kept))
    image = inputs.ready_pin
    if image is None:
        return
    for trigger in inputs.choice.start:
        notes = {
            TRIGGER: trigger.name,
            SPEC_RUN: str(trigger.spec_run),
            **image_annotations(image),
            **others_noted(image),
            **trigger.continuation.annotations,
        }
        waits = bool(trigger.continuation.status)  # for its first status, before Kueue may see it
        base = metadata(job, image=image, annotations=notes)
        yield {
            "apiVersion": RESOURCE.api_version,
            "kind": RESOURCE.kind,
            "metadata": {
                **base,
                "name": trigger.ref(job).name,
                "labels": {**base["labels"], **({} if waits else queued)},
            },
            "spec": {
                **job_spec(job, inputs, image, trigger.request),
                **({"suspend": True} if waits or queued else {}),
            },
        }


CHILD = Child(resource=RESOURCE, render=render, prune=Prune.NOW, writes_status=True)
