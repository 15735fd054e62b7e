"""`count` of a Copilot manifest: a number of tasks, Spot, or a range with what it follows."""

from __future__ import annotations

import re
from typing import Any

from containerapp.importers import units
from containerapp.importers.copilot.containers import Work
from containerapp.importers.source import Source

_RANGE = re.compile(r"([0-9]+)-([0-9]+)")
_QUEUE = "COPILOT_QUEUE_URI"
_METRICS = {
    "requests": "write autoscaling.triggers with albRequests, once the app has a load balancer: KEDA asks it",
    "response_time": "write autoscaling.triggers with a query to your Prometheus: KEDA asks it",
}
_SPOT = "all Pods, or none: placement.capacity: Spot, or weights of the node pools, put some of them on Spot"


def count(work: Work) -> None:
    """Carry the number of Pods."""
    given, draft = work.manifest.at("count"), work.draft
    if not isinstance(given.value, dict):
        _number(work, given)
        return
    spot = given.at("spot")
    if spot:
        draft.put("replicas", spot.number() if spot.number() != 1 else None)
        draft.put("placement", {**draft.spec.get("placement", {}), "capacity": "Spot"})
        return
    _autoscaling(work, given)


def _number(work: Work, given: Source) -> None:
    if units.is_number(str(given.value)):
        work.draft.put("replicas", given.number() if given.number() != 1 else None)
    else:
        given.named()  # a placeholder in it is asked for
        given.lose("the name of a configuration of App Runner: write what it says to autoscaling")


def _autoscaling(work: Work, given: Source) -> None:
    least, most = _bounds(given.at("range"))
    triggers = _triggers(work, given.at("queue_delay"))
    may_stop = bool(triggers) and not work.manifest.at("image").at("port")
    found: dict[str, Any] = {
        "minReplicas": least if may_stop else max(1, least),
        "maxReplicas": max(1, most),
    }
    if least < found["minReplicas"]:
        given.at("range").note("autoscaling keeps one Pod at least: `suspend` stops an app")
    for key, name in (("cpu_percentage", "cpu"), ("memory_percentage", "memory")):
        percent = given.at(key)
        value = percent.at("value") if isinstance(percent.value, dict) else percent
        found |= {name: value.number()} if value else {}
        _cooldown(percent.at("cooldown"), found)
    _cooldown(given.at("cooldown"), found)
    given.at("spot_from").lose(_SPOT)
    for key, reason in _METRICS.items():
        given.at(key).lose(reason)
    found |= {"triggers": triggers} if triggers else {}
    work.draft.put("autoscaling", found)


def _triggers(work: Work, delay: Source) -> list[dict[str, Any]]:
    """Return what scales by a queue, whose URL must be given: as many messages a Pod as it works off in time."""
    queue = work.values.get(_QUEUE)
    latency = units.duration(delay.at("acceptable_latency").text())
    each = units.duration(delay.at("msg_processing_time").text())
    if not latency or not each:
        return []
    messages = max(1, latency // each)
    _cooldown(delay.at("cooldown"), {})
    if queue is None:
        delay.lose(
            f"the queue is made outside of the cluster: give its URL by --set {_QUEUE}=https://sqs.…, for"
            f" autoscaling.triggers with sqs and messagesPerPod: {messages}"
        )
        return []
    delay.note("KEDA scales by the queue: it must be installed, and its role may read the queue's attributes")
    return [{"sqs": {"queueUrl": queue, "messagesPerPod": messages}}]


def _bounds(given: Source) -> tuple[int, int]:
    if isinstance(given.value, dict):
        given.at("spot_from").lose(_SPOT)
        return given.at("min").number(1), given.at("max").number(1)
    found = _RANGE.fullmatch(given.named())
    if found is None:
        given.lose("it is no range: write autoscaling with minReplicas and maxReplicas")
    return (int(found[1]), int(found[2])) if found else (1, 1)


def _cooldown(given: Source, found: dict[str, Any]) -> None:
    """Put how long the load must have changed; of several, the longest."""
    for key, direction in (("in", "scaleDown"), ("out", "scaleUp")):
        seconds = units.duration(given.at(key).text())
        if seconds is not None:
            behavior = found.setdefault("behavior", {})
            known = behavior.get(direction, {}).get("stabilizationWindowSeconds", 0)
            behavior[direction] = {"stabilizationWindowSeconds": max(known, min(seconds, 3600))}
