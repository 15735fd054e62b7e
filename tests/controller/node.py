"""Stands in for the kubelets of simulated Pods, as far as resizes in place need one.

The simulated nodes say nothing of resources, which the API server takes for nodes that cannot resize. What a kubelet
would say is written into the status of the Pods, each time that a test lets it work.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.controller.api import ApiError, Manifest
from tests.controller.world import World


@dataclass(kw_only=True)
class Node:
    """Stands in for the kubelets of an app's Pods. `pending`: the condition of a resize that it does not carry out."""

    world: World
    name: str
    pending: Manifest | None = None

    def works(self) -> None:
        """Let each Pod that runs have what its spec asks for, or say that it cannot be."""
        for pod in self.pods():
            status = pod["status"]
            if status.get("containerStatuses"):
                self._report(pod, status)

    def pods(self) -> list[Manifest]:
        """Return the Pods that stay."""
        found = self.world.api.list("Pod", self.world.namespace, f"containerapp.dev/app={self.name}")
        return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]

    def uids(self) -> set[str]:
        """Return the uids of the Pods that stay."""
        return {pod["metadata"]["uid"] for pod in self.pods()}

    def until(self, description: str, condition: Callable[[], object], timeout: float = 60) -> None:
        """Wait while the node works."""

        def holds() -> bool:
            self.works()
            return bool(condition())

        self.world.until(description, holds, names=[self.name], timeout=timeout)

    def is_done(self) -> bool:
        """Whether every Pod was resized, and its node has said so."""
        return all(
            pod["status"].get("observedGeneration", 0) == pod["metadata"]["generation"] > 1
            for pod in self.pods()
        )

    def await_revision(self, number: int) -> None:
        """Wait until the app is Ready at a revision, while the node works."""
        self.until(f"revision {number} is Ready", lambda: self._is_ready(number))

    def _is_ready(self, number: int) -> bool:
        ready = self.world.conditions(self.name).get("Ready", {}).get("status") == "True"
        return ready and self.world.get("ContainerApp", self.name)["status"]["currentRevision"] == number

    def _report(self, pod: Manifest, status: Manifest) -> None:
        spec = {each["name"]: each["resources"] for each in pod["spec"]["containers"]}
        reported = [each | {"resources": spec[each["name"]]} for each in status["containerStatuses"]]
        conditions = [each for each in status["conditions"] if each["type"] != "PodResizePending"]
        if self.pending is not None and pod["metadata"]["generation"] > 1:
            conditions.append({"type": "PodResizePending", "status": "True", **self.pending})
        wanted = {
            "observedGeneration": pod["metadata"]["generation"],
            "containerStatuses": reported,
            "conditions": conditions,
        }
        if all(status.get(key) == value for key, value in wanted.items()):
            return
        try:
            self.world.api.patch(
                "Pod", self.world.namespace, pod["metadata"]["name"], {"status": wanted}, "status"
            )
        except ApiError as error:
            if error.status not in {404, 409}:
                raise
