"""What the diagnosis makes of the words of a real API server and a real scheduler."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from containerapp.controllers.workloads.diagnosis import pod_problem, refusal
from devcluster import Cluster
from devcluster.cluster import CommandError

pytestmark = pytest.mark.cluster


def _quota(hard: dict[str, str]) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "team"}, "spec": {"hard": hard}}


def _pod(resources: dict[str, dict[str, str]], spec: dict[str, Any]) -> dict[str, Any]:
    """Return a Pod that passes Pod Security, which the tests' namespaces enforce."""
    security = {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    container = {"name": "app", "image": "shop", "resources": resources, "securityContext": security}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "shop"},
        "spec": {"containers": [container], **spec},
    }


LIMIT_RANGE = {
    "apiVersion": "v1",
    "kind": "LimitRange",
    "metadata": {"name": "team"},
    "spec": {"limits": [{"type": "Container", "max": {"memory": "64Mi"}}]},
}


@pytest.mark.parametrize(
    ("before", "spec", "sentence"),
    [
        (
            _quota({"limits.memory": "100Mi"}),
            {},
            (
                "the quota team is exceeded: requested limits.memory=128Mi, used limits.memory=0, limited to "
                "limits.memory=100Mi"
            ),
        ),
        (_quota({"limits.cpu": "1"}), {}, "the quota team wants every Pod to have limits.cpu"),
        (
            LIMIT_RANGE,
            {},
            (
                "a LimitRange of the namespace refuses the Pod: maximum memory usage per Container is 64Mi, but limit "
                "is 128Mi"
            ),
        ),
        (None, {"serviceAccountName": "shop-aws"}, "ServiceAccount shop-aws does not exist"),
        (None, {"priorityClassName": "high"}, "the PriorityClass high does not exist"),
        (
            None,
            {"hostNetwork": True},
            "Pod Security restricted:latest refuses the Pod: host namespaces (hostNetwork=true)",
        ),
    ],
)
def test_names_who_refuses_a_pod(
    cluster: Cluster, namespace: str, before: dict[str, Any] | None, spec: dict[str, Any], sentence: str
) -> None:
    """The kinds that every cluster has."""
    where = f"--namespace={namespace}"
    if before is not None:
        cluster.kubectl("create", where, "--filename=-", stdin=json.dumps(before))
    if before is not None and before["kind"] == "ResourceQuota":
        cluster.kubectl("wait", where, "quota/team", "--for=jsonpath={.status.hard}", "--timeout=30s")
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "shop"}}
    cluster.kubectl("create", where, "--filename=-", stdin=json.dumps(account))
    pod = _pod({"limits": {"memory": "128Mi"}}, {"serviceAccountName": "shop", **spec})
    with pytest.raises(CommandError) as caught:
        cluster.kubectl("create", where, "--filename=-", stdin=json.dumps(pod))
    assert refusal(caught.value.stderr).startswith(f"No Pod is created: {sentence}")


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        ({"cpu": "900k"}, r"\d+ of \d+ nodes have too little free cpu: it requests 900k\."),
        ({"memory": "900Ti"}, r"\d+ of \d+ nodes have too little free memory: it requests 900Ti\."),
        ({"example.com/gpu": "1"}, r"\d+ of \d+ nodes have too few free example\.com/gpu\."),
        ("selector", r"\d+ of \d+ nodes are not those that its node selector or affinity names\."),
        ("claim", r"PersistentVolumeClaim data does not exist\."),
    ],
)
def test_names_why_no_node_fits(
    cluster: Cluster, namespace: str, spec: dict[str, str] | str, sentence: str
) -> None:
    """The scheduler counts nodes by reason."""
    where = f"--namespace={namespace}"
    amounts = spec if isinstance(spec, dict) else {}
    other: dict[str, Any] = {"nodeSelector": {"zone": "nowhere"}} if spec == "selector" else {}
    if spec == "claim":
        other = {"volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]}
    pod = _pod({"requests": amounts, "limits": amounts}, other)
    cluster.kubectl("create", where, "--filename=-", stdin=json.dumps(pod))
    cluster.kubectl("wait", where, "pod/shop", "--for=condition=PodScheduled=False", "--timeout=30s")
    problem = pod_problem([json.loads(cluster.kubectl("get", where, "pod/shop", "--output=json"))])
    assert problem is not None
    assert re.match(f"Pod shop: {sentence} ", problem)
