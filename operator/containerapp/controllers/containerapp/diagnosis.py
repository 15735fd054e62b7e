"""What keeps Pods from becoming available, as one sentence with a remedy. Pure.

Called by the reconcile with the Pods of a rollout that takes longer than usual, so that a user need not know which
of Kubernetes' objects to look at.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from containerapp.core.model import Manifest

_REMEDIES = {
    "ImagePullBackOff": "The node cannot pull the image: check the node's IAM role or spec.imagePullSecrets.",
    "ErrImagePull": "The node cannot pull the image: check the node's IAM role or spec.imagePullSecrets.",
    "CrashLoopBackOff": "The container ends again and again: see kubectl logs {pod} --previous.",
    "CreateContainerConfigError": (
        "A Secret or ConfigMap that spec.env or spec.envFrom names may be missing; where the message says that the "
        "image runs as root, set spec.security.runAsUser to a user other than 0."
    ),
    "RunContainerError": "Check spec.command, spec.args and spec.workingDir.",
    "CreateContainerError": "Check spec.command, spec.args and spec.workingDir.",
}
_STARTING = {"ContainerCreating", "PodInitializing"}


def pod_problem(pods: Iterable[Manifest]) -> str | None:
    """Return the first complaint of the newest Pod that has one, or None; Pods on their way out have none."""
    staying = (pod for pod in pods if "deletionTimestamp" not in pod["metadata"])
    newest_first = sorted(staying, key=lambda pod: str(pod["metadata"]["creationTimestamp"]), reverse=True)
    return next((problem for pod in newest_first for problem in _problems(pod)), None)


def _problems(pod: Manifest) -> Iterator[str]:
    name, status = pod["metadata"]["name"], pod.get("status", {})
    for condition in status.get("conditions", []):
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            said = _sentence(condition.get("message") or condition["reason"])
            yield f"Pod {name} cannot be scheduled: {said} Lower spec.resources.requests or add nodes."
    for container in (*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])):
        yield from _container_problem(name, container)


def _container_problem(pod: str, container: Manifest) -> Iterator[str]:
    if container["ready"]:
        return
    waiting = container.get("state", {}).get("waiting", {})
    reason = waiting.get("reason")
    ended = (
        container.get("lastState", {}).get("terminated") or container.get("state", {}).get("terminated") or {}
    )
    if ended.get("reason") == "OOMKilled":
        yield f"Pod {pod} was killed for using more memory than it may: raise spec.resources.limits.memory."
    if reason and reason not in _STARTING:
        code = f" (last exit code {ended['exitCode']})" if "exitCode" in ended else ""
        said = f": {_sentence(waiting['message'])}" if waiting.get("message") else "."
        remedy = _REMEDIES.get(reason, "See kubectl describe pod {pod}.").format(pod=pod)
        yield f"Pod {pod} is in {reason}{code}{said} {remedy}"
    elif "running" in container.get("state", {}):
        yield f"Pod {pod} runs but does not pass its readiness probe: check spec.readinessProbe and spec.port."


def _sentence(text: str) -> str:
    return f"{text.rstrip('. ')}."
