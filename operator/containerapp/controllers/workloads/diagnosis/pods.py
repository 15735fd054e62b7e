"""What keeps Pods from becoming available, as one sentence with a remedy. Pure.

Called by the reconcile with the Pods of a rollout that takes longer than usual, so that a user need not know which of
Kubernetes' objects to look at. The newest template's Pods come first, then the surest cause, then the newest Pod.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from containerapp.controllers.pods.template import CONTAINER
from containerapp.controllers.workloads.diagnosis import crashes, images, scheduling, starts, waits
from containerapp.controllers.workloads.diagnosis.ended import ended
from containerapp.controllers.workloads.diagnosis.kinds import (
    LIKELY,
    Certainty,
    Kind,
    Problem,
    classified,
)
from containerapp.core.model import Manifest

_STARTING = {"", "ContainerCreating", "PodInitializing"}
_UNKNOWN = Kind(says="it does not start: {quote}", remedy="See kubectl describe pod {pod}.", certainty=LIKELY)
_TEMPLATE_LABEL = "pod-template-hash"
KINDS = (_UNKNOWN,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """The cause that counts, in a sentence with a remedy, and how sure it is that waiting does not help."""

    sentence: str
    certainty: Certainty


def pod_problem(pods: Iterable[Manifest]) -> str | None:
    """Return the cause that counts most among the Pods, in a sentence with a remedy; None where all is well."""
    diagnosis = diagnose(pods)
    return diagnosis.sentence if diagnosis else None


def diagnose(pods: Iterable[Manifest], events: Iterable[Manifest] = ()) -> Diagnosis | None:
    """Return the cause that counts most among the Pods; Events of theirs, where there are any, make it more exact."""
    staying = [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]
    newest_first = sorted(staying, key=lambda pod: str(pod["metadata"]["creationTimestamp"]), reverse=True)
    if not newest_first:
        return None
    newest, warnings = _template(newest_first[0]), _warnings(events)
    ranked = (
        (_template(pod) != newest, found.certainty, age, found.sentence)
        for age, pod in enumerate(newest_first)
        for found in _diagnoses(pod, warnings.get(pod["metadata"]["name"], ()))
    )
    best = min(ranked, default=None)
    return Diagnosis(sentence=best[3], certainty=best[1]) if best else None


def _template(pod: Manifest) -> str:
    return str(pod["metadata"].get("labels", {}).get(_TEMPLATE_LABEL, ""))


def _warnings(events: Iterable[Manifest]) -> dict[str, list[str]]:
    """Return reason and message of the warnings by the Pod that they are about, the newest first."""
    found: dict[str, list[str]] = {}
    for event in sorted(events, key=lambda event: str(event.get("lastTimestamp")), reverse=True):
        if event.get("type") == "Warning":
            text = f"{event.get('reason', '')} {event.get('message', '')}"
            found.setdefault(event["involvedObject"]["name"], []).append(text)
    return found


def _diagnoses(pod: Manifest, events: Iterable[str]) -> Iterator[Diagnosis]:
    """Yield the causes that the Pod shows."""
    pod = {**pod, "status": pod.get("status", {}), "spec": pod.get("spec", {})}
    name = pod["metadata"]["name"]
    subject, values = f"Pod {name}", {"pod": name, "container": CONTAINER}
    whole = (
        ended(pod, values),
        _unscheduled(pod, values),
        waits.unready(pod, values),
        waits.setting_up(pod, events, values),
    )
    for problem in whole:
        if problem is not None:
            yield Diagnosis(sentence=problem.sentence(subject), certainty=problem.kind.certainty)
    for role, status, spec in _containers(pod):
        known = {**values, "container": status["name"], "owner": _owner(status["name"], spec)}
        problem = _container_problem(status, spec, events, known)
        if problem is not None:
            reason = _reason(status)
            who = f"{subject}{role}" + (f" ({reason})" if reason else "")
            yield Diagnosis(sentence=problem.sentence(who), certainty=problem.kind.certainty)


def _unscheduled(pod: Manifest, values: dict[str, str]) -> Problem | None:
    for condition in pod["status"].get("conditions", ()):
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return scheduling.unscheduled(condition.get("message") or condition["reason"], pod, values)
    return None


def _containers(pod: Manifest) -> Iterator[tuple[str, Manifest, Manifest]]:
    """Yield role, status and spec of each container; an app's own has no role to name."""
    spec, status = pod["spec"], pod["status"]
    for item in status.get("initContainerStatuses", ()):
        wanted = _named(spec.get("initContainers", ()), item["name"])
        sidecar = wanted.get("restartPolicy") == "Always"
        yield (
            f", {'sidecar' if sidecar else 'init container'} {item['name']}",
            item,
            {**wanted, "init": not sidecar},
        )
    for item in status.get("containerStatuses", ()):
        role = "" if item["name"] == CONTAINER else f", container {item['name']}"
        yield role, item, _named(spec.get("containers", ()), item["name"])


def _owner(name: str, spec: Manifest) -> str:
    """Return where the spec speaks of the container."""
    if "init" not in spec:
        return "spec"
    return f"spec.{'initContainers' if spec['init'] else 'sidecars'}[{name}]"


def _named(containers: Iterable[Manifest], name: str) -> Manifest:
    return next((container for container in containers if container["name"] == name), {})


def _reason(status: Manifest) -> str:
    return str(status.get("state", {}).get("waiting", {}).get("reason", ""))


def _container_problem(
    status: Manifest, spec: Manifest, events: Iterable[str], values: dict[str, str]
) -> Problem | None:
    """Return what keeps the container from being ready."""
    state = status.get("state", {})
    last = state.get("terminated") or status.get("lastState", {}).get("terminated") or {}
    if status["ready"]:
        return None
    if "waiting" in state and (reason := _reason(status)) not in _STARTING:
        return _waiting(reason, str(state["waiting"].get("message") or ""), spec, last, values)
    if last.get("exitCode", 0) != 0:
        return crashes.crash(last, spec, values)
    if "running" not in state:
        return None
    return waits.initializing(values) if spec.get("init") else waits.running(status, spec, events, values)


def _waiting(reason: str, message: str, spec: Manifest, last: Manifest, values: dict[str, str]) -> Problem:
    if reason in images.REASONS:
        return classified(images.KINDS, f"{reason} {message}", values)
    if reason in starts.REASONS:
        return classified((*starts.CONFIG_KINDS, *starts.KINDS), f"{reason} {message}", values)
    if reason == "CrashLoopBackOff":
        return crashes.crash(last, spec, values)
    return classified((_UNKNOWN,), message or reason, values)
