"""Queues of Kueue: a run with `queue` is created suspended, and Kueue releases it when its quota allows. Pure.

Kueue keeps a Workload for each such Job, which says why it waits. Without Kueue nothing would ever release the Job, so
no run starts then. https://kueue.sigs.k8s.io/docs/tasks/run/jobs/
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from containerapp.api.containerjob import ContainerJob, ContainerJobSpec
from containerapp.controllers.containerjob.failure import Finding
from containerapp.controllers.pods.job import ending, rewritten
from containerapp.core.conditions import Condition
from containerapp.core.model import Manifest, Resource, View, Watch
from containerapp.errors import Blocked

_GROUP = "kueue.x-k8s.io"
LOCAL_QUEUE = Resource(
    api_version=f"{_GROUP}/v1beta2",
    kind="LocalQueue",
    plural="localqueues",
    optional=True,
    install="Install Kueue 0.15 or later: https://kueue.sigs.k8s.io/docs/installation/",
    metadata_only=True,
)
WORKLOADS = Resource(api_version=f"{_GROUP}/v1beta2", kind="Workload", plural="workloads", optional=True)
QUEUE_LABEL, _PRIORITY_LABEL = f"{_GROUP}/queue-name", f"{_GROUP}/priority-class"
_LABELS = (QUEUE_LABEL, _PRIORITY_LABEL)
_UID_LABEL = f"{_GROUP}/job-uid"


def _queues(job: ContainerJob) -> Iterator[str]:
    if job.spec.queue is not None:
        yield job.spec.queue


WATCHES = (Watch(resource=LOCAL_QUEUE, refs=_queues),)


def queue_labels(spec: ContainerJobSpec) -> dict[str, str]:
    """Return the labels by which Kueue takes a Job; none without a queue."""
    texts = {QUEUE_LABEL: spec.queue, _PRIORITY_LABEL: spec.queue_priority_class}
    return {key: text for key, text in texts.items() if text is not None}


def queue_of(job: Manifest) -> str:
    """Return the queue in which a Job waits to be released; empty where it does not."""
    labels = job["metadata"].get("labels") or {}
    return str(labels.get(QUEUE_LABEL, "")) if job["spec"].get("suspend") and not ending(job) else ""


def moved(job: Manifest, wanted: Mapping[str, str]) -> Manifest | None:
    """Return what is to be written to a Job that waits in another queue or class than wanted; None for any other."""
    labels = job["metadata"].get("labels") or {}
    changed = {key: text for key, text in labels.items() if key not in _LABELS} | dict(wanted)
    if not wanted or not queue_of(job) or changed == labels:
        return None
    return rewritten(job, changed, suspend=True)


def hindrance(job: ContainerJob, view: View) -> Blocked | None:
    """Return why no run may be queued: Kueue, or the queue, is not there."""
    if job.spec.queue is None:
        return None
    if LOCAL_QUEUE in view.absent:
        message = (
            f"spec.queue needs Kueue: the cluster has no kind LocalQueue ({LOCAL_QUEUE.api_version}). "
            f"{LOCAL_QUEUE.install} Or remove spec.queue: runs start at once then."
        )
        return Blocked("KindNotInstalled", message)
    if view.watched.get(LOCAL_QUEUE.ref(job.spec.queue)) == "":
        message = (
            f"The namespace {job.metadata.namespace} has no LocalQueue {job.spec.queue}. Create it, or name one that "
            f"exists in spec.queue: kubectl get localqueues -n {job.metadata.namespace}"
        )
        return Blocked("QueueMissing", message)
    return None


def workload_selector(uid: str) -> str:
    """Return the labels of the Workload that Kueue keeps for the Job of this uid."""
    return f"{_UID_LABEL}={uid}"


def examine_workloads(workloads: list[Manifest]) -> Finding:
    """Return why the newest of the Workloads waits, in Kueue's words."""
    found = max(workloads, key=lambda each: str(each["metadata"].get("creationTimestamp")), default={})
    conditions = {each["type"]: each for each in found.get("status", {}).get("conditions", ())}
    reserved = conditions.get("QuotaReserved", {})
    if reserved.get("status") == "True":
        return Finding(
            sentence="It has its quota, and waits for Kueue's admission checks.", reason="AdmissionChecks"
        )
    evicted = conditions.get("Evicted", {})
    words = [each["message"] for each in (evicted, reserved) if each.get("message")]
    return Finding(sentence=" ".join(words), reason=evicted.get("reason") or reserved.get("reason", ""))


def waits(name: str, queue: str, finding: Finding | None) -> Condition:
    """Return the condition of a run that Kueue has not released."""
    why = f": {finding.sentence}" if finding is not None and finding.sentence else "."
    reason = finding.reason if finding is not None and finding.reason else "Queued"
    message = f"Job {name} waits in the queue {queue}{why}"
    return Condition(type="Admitted", status="False", reason=reason, message=message)
