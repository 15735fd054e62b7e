"""The values between the phases: `containerapp.core.model`."""

from __future__ import annotations

import pytest

from containerapp.controllers import CONTROLLERS
from containerapp.controllers.containerapp.controller import OWNS
from containerapp.core.model import ObjectRef, Resource
from tests.builders import KEY, SERVICE, an_app, desired_children
from tests.kinds.toy import GREETING


def test_a_reference_names_kind_and_name() -> None:
    """It is what log lines and messages call the object."""
    assert str(SERVICE) == "Service shop"
    assert ObjectRef.of({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "shop"}}) == SERVICE
    assert ObjectRef.from_status({"apiVersion": "v1", "kind": "Service", "name": "shop"}) == SERVICE
    assert Resource(api_version="v1", kind="Service", plural="services").ref("shop") == SERVICE


def test_a_key_names_kind_namespace_and_name() -> None:
    """Two kinds may have objects of one name."""
    assert str(KEY) == "ContainerApp default/shop"


@pytest.mark.parametrize(
    ("version", "group"),
    [("v1", ""), ("apps/v1", "apps"), ("gateway.networking.k8s.io/v1", "gateway.networking.k8s.io")],
)
def test_the_group_of_a_kind_is_that_of_its_version(version: str, group: str) -> None:
    """The core group has no name."""
    assert Resource(api_version=version, kind="X", plural="xs").group == group


def test_the_controller_says_what_its_children_are() -> None:
    """Watches, pruning and rights derive from what it owns; children are written in its order."""
    spec = {
        "port": 80,
        "autoscaling": {"minReplicas": 2, "maxReplicas": 3},
        "metrics": {"port": 80},
        "files": [{"path": "/etc/shop.yaml", "content": ""}],
        "volumes": [{"name": "data", "mountPath": "/data", "claim": {"accessMode": "ReadWriteMany"}}],
    }
    rendered = [ObjectRef.of(manifest) for manifest in desired_children(an_app(spec))]
    kinds = [(ref.api_version, ref.kind) for ref in rendered]
    assert {kind for _, kind in kinds} >= {"Service", "Deployment", "HorizontalPodAutoscaler", "PodMonitor"}
    owned = [(child.resource.api_version, child.resource.kind) for child in OWNS]
    assert kinds == [kind for kind in owned if kind in kinds]


def test_every_controller_has_a_kind_and_a_label_of_its_own() -> None:
    """By them the owner of a child is found."""
    kinds = {controller.resource.kind for controller in CONTROLLERS}
    assert len(kinds) == len({controller.label for controller in CONTROLLERS}) == len(CONTROLLERS)
    containerapp = CONTROLLERS[0]
    assert containerapp.resource == Resource(
        api_version="containerapp.dev/v1alpha1", kind="ContainerApp", plural="containerapps"
    )


def test_a_kind_overrides_nothing_unless_it_says_so() -> None:
    """A child is applied as it was rendered."""
    lease = {"kind": "Lease"}
    assert GREETING.overridden(None) == frozenset()
    assert GREETING.adapt(None, None, lease) == lease
