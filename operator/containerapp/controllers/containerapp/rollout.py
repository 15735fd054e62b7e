"""How far a rollout has come, read from the live Deployment. Pure.

Called by the controller, its status and the Service's renderer. It never looks at the spec: what was asked for and what
runs are compared elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass

from containerapp.core.model import Manifest, Query

RESIZING = "containerapp.dev/resizing"
"""On a Deployment: its Pods are given other resources while it is paused."""
MOVING = "containerapp.dev/moving"
"""On a Deployment: which Pod leaves its node, by its uid, and since when; a second one may run beside it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """The counts of a Deployment, in Pods, and what its controller says of it."""

    exists: bool
    observed: bool
    desired: int
    total: int
    updated: int
    ready: int
    available: int
    paused: bool
    resizing: bool
    moving: bool
    deadline_exceeded: bool
    failure: str | None

    @classmethod
    def of(cls, deployment: Manifest | None) -> Rollout:
        """Read the live Deployment; all counts are zero where there is none."""
        manifest = deployment or {}
        metadata, spec, status = (manifest.get(part, {}) for part in ("metadata", "spec", "status"))
        conditions = {condition["type"]: condition for condition in status.get("conditions", [])}
        failure = conditions.get("ReplicaFailure", {})
        observed = status.get("observedGeneration", 0) >= metadata.get("generation", 1)
        annotations = metadata.get("annotations") or {}
        moving = MOVING in annotations
        late = conditions.get("Progressing", {}).get("reason") == "ProgressDeadlineExceeded"
        return cls(
            exists=deployment is not None,
            observed=observed,
            desired=min(spec.get("replicas", 1), 1) if moving else spec.get("replicas", 1),
            total=status.get("replicas", 0),
            updated=status.get("updatedReplicas", 0),
            ready=status.get("readyReplicas", 0),
            available=status.get("availableReplicas", 0),
            paused=bool(spec.get("paused")),
            resizing=RESIZING in annotations,
            moving=moving,
            deadline_exceeded=observed and late,
            failure=failure.get("message") if failure.get("status") == "True" else None,
        )

    @property
    def complete(self) -> bool:
        """Whether exactly the Pods of the newest template run, all of them available; a move may have one more."""
        spare = self.available - self.desired
        return (
            self.exists
            and not self.resizing
            and self.observed
            and self.updated >= self.desired
            and self.total == self.updated
            and spare >= 0
            and (self.moving or self.updated == self.desired)
        )

    @property
    def begun(self) -> bool:
        """Whether Kubernetes has come to the newest template, so that there are Pods of it."""
        return self.observed and self.updated > 0

    @property
    def serves(self) -> bool:
        """Whether at least one Pod of the newest template is available for certain."""
        return self.observed and self.available > self.total - self.updated


def pods_query(deployment: Manifest, namespace: str) -> Query:
    """Return the question for all Pods of the Deployment."""
    labels = deployment["spec"]["selector"]["matchLabels"]
    return Query(
        path=f"/api/v1/namespaces/{namespace}/pods",
        selector=",".join(f"{name}={value}" for name, value in labels.items()),
    )


def ended(deployment: Manifest) -> Manifest:
    """Return the Deployment as it is once its rollout has ended well."""
    if Rollout.of(deployment).complete:
        return deployment
    pods = deployment["spec"].get("replicas", 1)
    counts = ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")
    status = {
        "observedGeneration": deployment["metadata"].get("generation", 1),
        **dict.fromkeys(counts, pods),
    }
    return {**deployment, "status": status}
