"""What the repair of a child does on a real API server, where plain server-side apply is refused.

The operator's writes are made here by kubectl, so that each case shows the refusal as well as the remedy.
"""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

import pytest

from containerapp.core.diff import differs, repair
from containerapp.core.model import MANAGER, Manifest
from devcluster import Cluster
from devcluster.cluster import CommandError
from tests.builders import an_app, desired_children
from tests.expectations import of_kind

pytestmark = pytest.mark.cluster

APP = an_app({"port": 8080, "env": [{"name": "A", "value": "1"}]})


def _apply(cluster: Cluster, namespace: str, manifest: Manifest) -> None:
    cluster.kubectl(
        "apply",
        f"--namespace={namespace}",
        "--server-side",
        "--force-conflicts",
        f"--field-manager={MANAGER}",
        "--filename=-",
        stdin=json.dumps(manifest),
    )


def _patch(cluster: Cluster, namespace: str, kind: str, change: Any, *, form: str) -> None:
    cluster.kubectl(
        "patch", kind, "shop", f"--namespace={namespace}", f"--type={form}", f"--patch={json.dumps(change)}"
    )


def _live(cluster: Cluster, namespace: str, kind: str) -> Manifest:
    found: Manifest = json.loads(cluster.kubectl("get", kind, "shop", f"--namespace={namespace}", "-ojson"))
    return found


def _desired(kind: str, namespace: str) -> Manifest:
    manifest = deepcopy(of_kind(desired_children(APP), kind))
    manifest["metadata"]["namespace"] = namespace
    del manifest["metadata"]["ownerReferences"]
    return manifest


_CONTAINER = "/spec/template/spec/containers/0"
_PROBE = [
    {
        "op": "replace",
        "path": f"{_CONTAINER}/readinessProbe",
        "value": {"httpGet": {"path": "/", "port": 80}},
    },
    {"op": "add", "path": "/spec/template/spec/volumes", "value": [{"name": "theirs", "emptyDir": {}}]},
    {
        "op": "add",
        "path": f"{_CONTAINER}/volumeMounts",
        "value": [{"name": "theirs", "mountPath": "/theirs"}],
    },
]
_VARIABLE = [
    {
        "op": "replace",
        "path": f"{_CONTAINER}/env",
        "value": [
            {"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
            {"name": "THEIRS", "value": "x"},
        ],
    }
]
_PROFILE = [
    {
        "op": "replace",
        "path": "/spec/template/spec/securityContext/seccompProfile",
        "value": {"type": "Localhost", "localhostProfile": "x.json"},
    }
]
_CONTAINER_PORT = [{"op": "replace", "path": f"{_CONTAINER}/ports/0/containerPort", "value": 9090}]
_SERVICE_PORT = [
    {"op": "replace", "path": "/spec/ports/0/port", "value": 81},
    {"op": "add", "path": "/spec/ports/-", "value": {"name": "theirs", "port": 9000, "protocol": "TCP"}},
]


@pytest.mark.parametrize(
    ("kind", "edit"),
    [
        ("Deployment", _PROBE),
        ("Deployment", _VARIABLE),
        ("Deployment", _PROFILE),
        ("Deployment", _CONTAINER_PORT),
        ("Service", _SERVICE_PORT),
    ],
    ids=["probe", "variable", "profile", "container port", "service port"],
)
def test_repairs_what_apply_alone_cannot(
    cluster: Cluster, namespace: str, kind: str, edit: list[Manifest]
) -> None:
    """An edit that excludes ours goes, and what stands beside it stays."""
    desired = _desired(kind, namespace)
    _apply(cluster, namespace, desired)
    _patch(cluster, namespace, kind, edit, form="json")
    edited = _live(cluster, namespace, kind)
    assert differs(desired, edited)
    with pytest.raises(CommandError):
        _apply(cluster, namespace, desired)
    _patch(cluster, namespace, kind, {"spec": repair(desired["spec"], edited["spec"])}, form="strategic")
    _apply(cluster, namespace, desired)
    repaired = _live(cluster, namespace, kind)
    assert not differs(desired, repaired)
    assert json.dumps(repaired["spec"]).count("theirs") == json.dumps(edited["spec"]).count("theirs")
    assert json.dumps(repaired["spec"]).count("THEIRS") == json.dumps(edited["spec"]).count("THEIRS")
