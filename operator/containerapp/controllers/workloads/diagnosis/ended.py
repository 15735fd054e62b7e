"""Why a whole Pod has ended: evicted, preempted, or lost with its node. Pure.

Called with the reason and the message of a Pod whose phase is Failed. Its ReplicaSet has made another one by then.
"""

from __future__ import annotations

from containerapp.controllers.workloads.diagnosis.kinds import PAST, Kind, Problem, classified
from containerapp.core.model import Manifest

KINDS = (
    Kind(
        says="it was evicted, as it wrote more to the node's disk than it may",
        remedy="Raise spec.resources.limits.ephemeral-storage, or write less. The node says: {quote}.",
        certainty=PAST,
        pattern=r"Evicted.*(?:ephemeral[ -](?:local )?storage (?:usage|limit)|emptyDir volume)",
    ),
    Kind(
        says="it was evicted, as its node ran out of {resource}",
        remedy="Raise spec.resources.requests to what the program uses. The node says: {quote}.",
        certainty=PAST,
        pattern=r"Evicted.*low on resource: (?P<resource>[\w-]+)",
    ),
    Kind(
        says="it was evicted",
        remedy="The node says: {quote}.",
        certainty=PAST,
        pattern=r"^Evicted",
    ),
    Kind(
        says="its node shut down",
        remedy="Nothing to do: another Pod takes its place.",
        certainty=PAST,
        pattern=r"node shutdown|NodeShutdown|^Shutdown",
    ),
    Kind(
        says="its node was lost",
        remedy="Nothing to do: another Pod takes its place. See kubectl get nodes.",
        certainty=PAST,
        pattern=r"^NodeLost|DeletionByPodGC|DeletionByTaintManager",
    ),
    Kind(
        says="it was preempted by a Pod of higher priority",
        remedy="Add nodes, or give the app a higher priority.",
        certainty=PAST,
        pattern=r"^Preempt|PreemptionByScheduler",
    ),
    Kind(
        says="DeadlineExceeded: it ran longer than its activeDeadlineSeconds",
        remedy="Find out who sets activeDeadlineSeconds (an admission webhook): the app does not.",
        certainty=PAST,
        pattern=r"^DeadlineExceeded",
    ),
    Kind(
        says="its node no longer had room when it came there",
        remedy="Nothing to do: another Pod takes its place. The node says: {quote}.",
        certainty=PAST,
        pattern=r"^OutOf|^NodeAffinity|^UnexpectedAdmissionError|^NodeAdmission",
    ),
    Kind(
        says="it has failed",
        remedy="See kubectl describe pod {pod}. Its status says: {quote}.",
        certainty=PAST,
    ),
)


def ended(pod: Manifest, values: dict[str, str]) -> Problem | None:
    """Return why the Pod has ended; None for one that has not, or that says nothing of it."""
    status = pod["status"]
    disruptions = [
        item.get("reason", "") for item in status.get("conditions", ()) if item["type"] == "DisruptionTarget"
    ]
    words = [status.get("reason", ""), *disruptions, status.get("message", "")]
    if status.get("phase") != "Failed" or not any(words):
        return None
    return classified(KINDS, " ".join(word for word in words if word), values)
