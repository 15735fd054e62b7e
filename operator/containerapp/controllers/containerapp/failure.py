"""When a rollout has failed: it cannot become good any more, or it has made no progress within its deadline. Pure.

The thresholds follow the deployment circuit breaker of Amazon ECS: half of the wanted Pods, at least 3 failures and at
most 200, and no failure counts while a Pod of the new version is healthy.
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-circuit-breaker.html
Slow is not failed: a Pod that waits for a node or pulls an image has the whole deadline.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

from containerapp.controllers.containerapp.rollout import Rollout
from containerapp.controllers.workloads.diagnosis import diagnose, refusal
from containerapp.controllers.workloads.diagnosis.kinds import CERTAIN, LIKELY, Certainty
from containerapp.controllers.workloads.diagnosis.output import container_statuses, last_output
from containerapp.core.model import Manifest

_SHARE, _LEAST, _MOST = 0.5, 3, 200
_CERTAIN_AFTER = timedelta(seconds=30)
"""The kubelet has tried more than once by then, and a Secret that is made together with the app is there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What the Pods of the new version showed.

    `sentence` is the cause that counts, `since` when the oldest Pod that is not ready was made, `failures` how often
    containers of such Pods have ended, `ready` since when each ready Pod is ready, and `output` the last words of a
    container that failed, without obvious secrets.
    """

    sentence: str = ""
    certainty: Certainty = Certainty.WAITING
    since: datetime | None = None
    failures: int = 0
    ready: tuple[datetime, ...] = ()
    output: str = ""


def examine(pods: list[Manifest]) -> Finding:
    """Return what the Pods show."""
    staying = [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]
    ready = tuple(since for pod in staying if (since := _ready_since(pod)) is not None)
    unready = [pod for pod in staying if _ready_since(pod) is None]
    diagnosis = diagnose(staying)
    created = [datetime.fromisoformat(pod["metadata"]["creationTimestamp"]) for pod in unready]
    return Finding(
        sentence=diagnosis.sentence if diagnosis else "",
        certainty=diagnosis.certainty if diagnosis else Certainty.WAITING,
        since=min(created, default=None),
        failures=sum(map(_failures, unready)),
        ready=ready,
        output=last_output(unready),
    )


def failed(finding: Finding | None, rollout: Rollout, min_ready: int, now: datetime) -> bool:
    """Whether the rollout has failed, by what its Pods showed; `min_ready` are the seconds that make a Pod healthy."""
    if rollout.deadline_exceeded:
        return True
    if finding is None or _has_healthy(finding, min_ready, now):
        return False
    if finding.certainty is CERTAIN and finding.since is not None:
        return now - finding.since >= _CERTAIN_AFTER
    return finding.certainty is LIKELY and finding.failures >= threshold(rollout.desired)


def threshold(pods: int) -> int:
    """Return the number of failures that fail a rollout to so many Pods."""
    return min(max(ceil(pods * _SHARE), _LEAST), _MOST)


def cause(finding: Finding | None, rollout: Rollout) -> str:
    """Return why the Pods do not become available, as far as that is known."""
    if finding is not None and finding.sentence:
        return finding.sentence
    return refusal(rollout.failure) if rollout.failure else ""


def _has_healthy(finding: Finding, min_ready: int, now: datetime) -> bool:
    return any(now - since >= timedelta(seconds=min_ready) for since in finding.ready)


def _ready_since(pod: Manifest) -> datetime | None:
    for condition in pod.get("status", {}).get("conditions", ()):
        if condition["type"] == "Ready" and condition["status"] == "True":
            return datetime.fromisoformat(condition["lastTransitionTime"])
    return None


def _failures(pod: Manifest) -> int:
    """Count restarts; and a Pod that has failed as a whole."""
    restarts = sum(int(status.get("restartCount", 0)) for status in container_statuses(pod))
    return restarts + int(pod.get("status", {}).get("phase") == "Failed")
