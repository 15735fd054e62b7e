"""How Pods of a Job end, as a kubelet would report it: with an exit code and last words of the test's choice."""

from __future__ import annotations

from tests.controller.world import World


def finish(world: World, job: str, exit_code: int = 0) -> None:
    """End the Pods of a Job as the kubelet would."""
    for pod in world.api.list("Pod", world.namespace, f"batch.kubernetes.io/job-name={job}"):
        terminated = {
            "exitCode": exit_code,
            "reason": "Error" if exit_code else "Completed",
            "message": "the disk is full" if exit_code else "",
            "startedAt": "2026-01-01T00:00:00Z",
            "finishedAt": "2026-01-01T00:00:05Z",
        }
        container = {
            "name": "app",
            "image": "shop",
            "imageID": "",
            "ready": False,
            "restartCount": 0,
            "state": {"terminated": terminated},
        }
        phase = "Failed" if exit_code else "Succeeded"
        status = {"phase": phase, "containerStatuses": [container]}
        world.api.patch("Pod", world.namespace, pod["metadata"]["name"], {"status": status}, sub="status")
