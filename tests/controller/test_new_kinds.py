"""What a new kind costs: one folder and a line for a custom kind, one file and a line for a child kind."""

from __future__ import annotations

import pytest

from containerapp.api import crd
from containerapp.core.rights import rules
from devcluster import Cluster
from tests.controller.api import Manifest
from tests.controller.operators import Operator
from tests.controller.world import World
from tests.definitions import define
from tests.kinds.toy import GREETING

pytestmark = pytest.mark.cluster


def _allow(world: World, operator: Operator) -> None:
    """Grant the rights that follow from the toy kinds."""
    name = f"toy-{world.namespace}"
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": name},
        "rules": rules([GREETING]),
    }
    account = {
        "kind": "ServiceAccount",
        "name": operator.identity.service_account,
        "namespace": operator.identity.namespace,
    }
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
        "subjects": [account],
    }
    world.api.apply(role)
    world.api.apply(binding)


def _greeting(world: World, text: str) -> Manifest:
    return {
        "apiVersion": "containerapp.dev/v1alpha1",
        "kind": "Greeting",
        "metadata": {"name": "hello", "namespace": world.namespace},
        "spec": {"text": text},
    }


def test_a_custom_kind_is_one_folder_and_one_line(
    cluster: Cluster, world: World, own_operator: Operator
) -> None:
    """Its definition, rights, informer and status follow from the registration."""
    define(cluster, crd.render_yaml(GREETING.definition))
    _allow(world, own_operator)
    own_operator.before = "from tests.kinds import toy; toy.register()"
    own_operator.start()
    world.kubectl("apply", "--filename=-", stdin=crd.to_yaml(_greeting(world, "Good morning")))
    world.kubectl("wait", "--for=condition=Ready", "--timeout=30s", "greeting/hello")
    first = world.get("Lease", "hello")
    assert first["spec"]["holderIdentity"] == "Good morning"
    world.patch("Lease", "hello", {"spec": {"holderIdentity": "Good night"}})
    world.until("drift is repaired", lambda: world.get("Lease", "hello")["spec"] == first["spec"])
    world.kubectl("apply", "--filename=-", stdin=crd.to_yaml(_greeting(world, "Good evening")))
    world.until(
        "the edit is written", lambda: world.get("Lease", "hello")["spec"]["holderIdentity"] == "Good evening"
    )
    world.run("beside", port=8080)
    world.kubectl("delete", "greeting/hello")
    world.until("the child is gone", lambda: world.find("Lease", "hello") is None)


def test_a_child_kind_is_one_file_and_one_line(world: World, own_operator: Operator) -> None:
    """It is written, listed in the inventory and made again like any other child."""
    _allow(world, own_operator)
    own_operator.before = "from tests.kinds import toy; toy.register_child()"
    own_operator.start()
    app = world.run("noted", port=8080)
    assert "Lease" in [item["kind"] for item in app["status"]["resources"]]
    note = world.get("Lease", "noted")
    assert note["spec"]["holderIdentity"] == "shop:1.0"
    world.delete("Lease", "noted")
    world.until("it is made again", lambda: world.find("Lease", "noted") is not None)
