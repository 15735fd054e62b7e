"""ReplicaSets and Pods in miniature, for the tests of resizes in place: beside the cluster of `tests.rollouts`.

It stands in for the Deployment and ReplicaSet controllers, the kubelets, and the part of the API server that takes
patches of amounts. A Deployment that is paused makes no new ReplicaSet.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from containerapp.core.model import Manifest, Patch, Query

INFEASIBLE = {"type": "PodResizePending", "status": "True", "reason": "Infeasible", "message": "Too large."}
DEFERRED = {**INFEASIBLE, "reason": "Deferred", "message": "No room now."}
IN_PROGRESS = {
    "type": "PodResizeInProgress",
    "status": "True",
    "reason": "Error",
    "message": "It holds more.",
}


@dataclass(kw_only=True)
class Pods:
    """What runs below the Deployment.

    `said` is a condition of Pods that were resized, `refusal` what a patch meets; a `fixed` ReplicaSet takes none.
    """

    sets: list[Manifest] = field(default_factory=list)
    pods: list[Manifest] = field(default_factory=list)
    version: Manifest | None = field(default_factory=lambda: {"major": "1", "minor": "35+"})
    said: Manifest | None = None
    silent: bool = False
    refusal: str = ""
    unreadable: bool = False
    fixed: bool = False
    patched: list[str] = field(default_factory=list)
    _count: int = 0

    @property
    def uids(self) -> set[str]:
        """The uids of the Pods."""
        return {pod["metadata"]["uid"] for pod in self.pods}

    @property
    def cpus(self) -> set[str]:
        """What the Pods request."""
        return {_cpu(pod["spec"]) for pod in self.pods}

    def answer(self, question: Query) -> Manifest | None:
        """Return what the API server says."""
        if question.path == "/version":
            return self.version
        if self.unreadable:
            return None
        return {"items": deepcopy(self.sets if question.path.endswith("replicasets") else self.pods)}

    def patch(self, patch: Patch) -> str:
        """Take a patch; return why not, where it is refused."""
        name = patch.path.removesuffix("/resize").rpartition("/")[2]
        if self.refusal and patch.path.endswith("/resize"):
            return self.refusal
        self.patched.append(name)
        (found,) = [each for each in (*self.sets, *self.pods) if each["metadata"]["name"] == name]
        assert found["metadata"]["uid"] == patch.body["metadata"]["uid"]
        spec, change = found["spec"], patch.body["spec"]
        if self.fixed and "template" in change:
            return ""
        _merge(
            *(
                (spec["template"]["spec"], change["template"]["spec"])
                if "template" in change
                else (spec, change)
            )
        )
        found["metadata"]["generation"] += 1
        return ""

    def roll(self, deployment: Manifest, now: datetime, *, fails: bool) -> Manifest:
        """Let Kubernetes work; return the counts of the Deployment's status, and its conditions."""
        spec = deployment["spec"]
        same = [each for each in self.sets if each["spec"]["template"] == spec["template"]]
        if not spec.get("paused") and not same:
            same = [self._new_set(deployment)]
        if not spec.get("paused") and not fails:
            self.sets = same
        self._scale(same[0] if same else self.sets[0], int(spec.get("replicas", 1)))
        for each in self.sets:
            each["status"] = {"observedGeneration": each["metadata"]["generation"]}
        for pod in self.pods:
            self._report(pod, now)
        paused = {
            "type": "Progressing",
            "reason": "DeploymentPaused",
            "lastUpdateTime": self._since(deployment, now),
        }
        updated = int(spec.get("replicas", 1)) if same else 0
        return {"updatedReplicas": updated, **({"conditions": [paused]} if spec.get("paused") else {})}

    def _since(self, deployment: Manifest, now: datetime) -> str:
        for each in deployment.get("status", {}).get("conditions", ()):
            return str(each["lastUpdateTime"])
        return now.isoformat()

    def _new_set(self, deployment: Manifest) -> Manifest:
        metadata = self._metadata("set", deployment)
        made = {"metadata": metadata, "spec": {"template": deepcopy(deployment["spec"]["template"])}}
        self.sets.append(made)
        return made

    def _scale(self, replica_set: Manifest, count: int) -> None:
        replica_set["spec"]["replicas"] = count
        uids = {each["metadata"]["uid"] for each in self.sets}
        self.pods = [pod for pod in self.pods if pod["metadata"]["ownerReferences"][0]["uid"] in uids]
        own = [pod for pod in self.pods if _is_of(pod, replica_set)]
        for pod in own[count:]:
            self.pods.remove(pod)
        for _ in range(count - len(own)):
            spec = deepcopy(replica_set["spec"]["template"]["spec"])
            self.pods.append({"metadata": self._metadata("pod", replica_set), "spec": spec, "status": {}})

    def _report(self, pod: Manifest, now: datetime) -> None:
        conditions: list[Manifest] = [{"type": "Ready", "status": "True"}]
        generation = pod["metadata"]["generation"]
        if generation > 1 and self.said:
            known = {each["type"]: each for each in pod["status"].get("conditions", ())}
            since = known.get(self.said["type"], {}).get("lastTransitionTime", now.isoformat())
            conditions.append({**self.said, "lastTransitionTime": since})
        seen = 1 if self.silent else generation
        pod["status"] = {"observedGeneration": seen, "phase": "Running", "conditions": conditions}

    def _metadata(self, kind: str, owner: Manifest) -> Manifest:
        self._count += 1
        name = f"{kind}-{self._count}"
        references = [{"uid": owner["metadata"]["uid"]}]
        return {"name": name, "uid": f"uid-of-{name}", "generation": 1, "ownerReferences": references}


def _is_of(pod: Manifest, replica_set: Manifest) -> bool:
    return bool(pod["metadata"]["ownerReferences"][0]["uid"] == replica_set["metadata"]["uid"])


def _cpu(spec: Manifest) -> str:
    return str(spec["containers"][0]["resources"]["requests"]["cpu"])


def _merge(spec: Manifest, change: Any) -> None:
    for name, containers in change.items():
        found = {each["name"]: each for each in spec[name]}
        for each in containers:
            for part, amounts in each["resources"].items():
                found[each["name"]]["resources"][part] |= amounts
