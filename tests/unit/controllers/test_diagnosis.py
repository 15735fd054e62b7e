"""What Pods complain of, in a sentence with a remedy: `containerapp.controllers.containerapp.diagnosis`."""

from __future__ import annotations

from typing import Any

import pytest

from containerapp.controllers.containerapp.diagnosis import pod_problem
from containerapp.core.model import Manifest


def _pod(
    *containers: Manifest,
    name: str = "shop-1",
    created: str = "2026-01-01T00:00:00Z",
    conditions: tuple[Manifest, ...] = (),
    **status: Any,
) -> Manifest:
    return {
        "metadata": {"name": name, "creationTimestamp": created},
        "status": {"containerStatuses": list(containers), "conditions": list(conditions), **status},
    }


def _waiting(reason: str, message: str | None = None, **last: Any) -> Manifest:
    waiting = {"reason": reason, **({"message": message} if message else {})}
    return {"name": "app", "ready": False, "state": {"waiting": waiting}, "lastState": last}


RUNNING = {"name": "app", "ready": True, "state": {"running": {}}, "lastState": {}}
UNREADY = {**RUNNING, "ready": False}
KILLED = {"exitCode": 137, "reason": "OOMKilled"}
UNSCHEDULED = {"type": "PodScheduled", "status": "False"}


@pytest.mark.parametrize(
    ("pod", "problem"),
    [
        (_pod(RUNNING, conditions=({"type": "PodScheduled", "status": "True"},)), None),
        (_pod(_waiting("ContainerCreating")), None),
        (_pod(_waiting("PodInitializing")), None),
        ({"metadata": {"name": "shop-1", "creationTimestamp": "2026-01-01T00:00:00Z"}}, None),
        (_pod({"name": "app", "ready": False, "state": {"terminated": {"exitCode": 0}}}), None),
        (
            _pod(UNREADY),
            "Pod shop-1 runs but does not pass its readiness probe: check spec.readinessProbe and spec.port.",
        ),
        (
            _pod(_waiting("ImagePullBackOff", 'Back-off pulling image "shop"')),
            (
                'Pod shop-1 is in ImagePullBackOff: Back-off pulling image "shop". The node cannot pull the image: '
                "check the node's IAM role or spec.imagePullSecrets."
            ),
        ),
        (
            _pod(
                _waiting("CrashLoopBackOff", "back-off 10s.", terminated={"exitCode": 3, "reason": "Error"})
            ),
            (
                "Pod shop-1 is in CrashLoopBackOff (last exit code 3): back-off 10s. The container ends again and "
                "again: see kubectl logs shop-1 --previous."
            ),
        ),
        (_pod(_waiting("Novel")), "Pod shop-1 is in Novel. See kubectl describe pod shop-1."),
        (
            _pod(_waiting("CrashLoopBackOff", terminated=KILLED)),
            "Pod shop-1 was killed for using more memory than it may: raise spec.resources.limits.memory.",
        ),
        (
            _pod({"name": "app", "ready": False, "state": {"terminated": KILLED}}),
            "Pod shop-1 was killed for using more memory than it may: raise spec.resources.limits.memory.",
        ),
        (_pod({**RUNNING, "lastState": {"terminated": KILLED}}), None),
        (
            _pod(conditions=({**UNSCHEDULED, "message": "0/3 nodes are available: 3 Insufficient cpu."},)),
            (
                "Pod shop-1 cannot be scheduled: 0/3 nodes are available: 3 Insufficient cpu. "
                "Lower spec.resources.requests or add nodes."
            ),
        ),
        (
            _pod(conditions=({**UNSCHEDULED, "reason": "SchedulingGated"},)),
            "Pod shop-1 cannot be scheduled: SchedulingGated. Lower spec.resources.requests or add nodes.",
        ),
        (
            _pod(_waiting("PodInitializing"), initContainerStatuses=[_waiting("RunContainerError")]),
            "Pod shop-1 is in RunContainerError. Check spec.command, spec.args and spec.workingDir.",
        ),
    ],
)
def test_says_what_a_pod_waits_for(pod: Manifest, problem: str | None) -> None:
    """The user need not know which of Kubernetes' objects to look at; a Pod that is well says nothing."""
    assert pod_problem([pod]) == problem


@pytest.mark.parametrize(
    ("reason", "remedy"),
    [
        ("ErrImagePull", "spec.imagePullSecrets"),
        ("CreateContainerConfigError", "spec.security.runAsUser"),
        ("CreateContainerError", "spec.workingDir"),
    ],
)
def test_names_the_field_to_look_at(reason: str, remedy: str) -> None:
    """Each of the kubelet's usual complaints has a remedy in the app's own terms."""
    assert remedy in str(pod_problem([_pod(_waiting(reason))]))


def test_the_newest_pod_that_complains_is_heard() -> None:
    """Older Pods run the version that is being replaced."""
    old = _pod(_waiting("CrashLoopBackOff"), name="old", created="2026-01-01T00:00:00Z")
    new = _pod(_waiting("ImagePullBackOff"), name="new", created="2026-01-02T00:00:00Z")
    newest = _pod(RUNNING, name="newest", created="2026-01-03T00:00:00Z")
    assert "Pod new " in str(pod_problem([old, newest, new]))


def test_pods_on_their_way_out_are_not_heard() -> None:
    """A Pod that stops is not ready, and that is nobody's fault."""
    leaving = _pod(UNREADY)
    leaving["metadata"]["deletionTimestamp"] = "2026-01-02T00:00:00Z"
    assert pod_problem([leaving]) is None
    assert pod_problem([]) is None
