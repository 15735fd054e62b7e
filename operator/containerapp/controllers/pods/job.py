"""Job as Kubernetes has it: what runs of a ContainerJob and the before-job of a ContainerApp are made of. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from containerapp.core.model import HASH_ANNOTATION, Manifest, Resource

RESOURCE = Resource(api_version="batch/v1", kind="Job", plural="jobs")


def ending(job: Manifest) -> Manifest:
    """Return the condition by which the Job has ended, Complete or Failed; empty while it goes on."""
    conditions = (job.get("status") or {}).get("conditions", ())
    ended = (
        item for item in conditions if item["type"] in {"Complete", "Failed"} and item["status"] == "True"
    )
    return next(ended, {})


def head(job: Manifest) -> Manifest:
    """Return a Job without spec and status, as far as it is written."""
    metadata = {key: value for key, value in job["metadata"].items() if key in _METADATA}
    return {"apiVersion": job["apiVersion"], "kind": job["kind"], "metadata": metadata}


def rewritten(job: Manifest, labels: Mapping[str, str], *, suspend: bool) -> Manifest:
    """Return what is to be written to a Job so that it has these labels, and is suspended or not."""
    found = head(job)
    notes = {
        key: text for key, text in found["metadata"].get("annotations", {}).items() if key != HASH_ANNOTATION
    }
    return {
        **found,
        "metadata": {**found["metadata"], "annotations": notes, "labels": dict(labels)},
        "spec": {**job["spec"], "suspend": suspend},
    }


_METADATA = {"name", "namespace", "labels", "annotations", "ownerReferences"}
